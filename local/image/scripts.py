"""What is run by the image's own Python: programs as texts, since none of this package is in the image."""

WHO = "import os; print(os.getuid(), os.getgid(), os.getgroups(), os.getpid())"

# What has been imported by then is also what the worker starts with, so each of it has to have byte-code.
IMPORTS = """
import importlib, os, pkgutil, sys
names = [
    found.name
    for package in ("core", "handlers", "infrastructure", "testing", "docker_worker")
    for found in pkgutil.walk_packages([package], package + ".")
    if not found.name.endswith("__main__")
]
for name in [*names, "cv2", "fontTools.ttLib", "pi_heif", "pikepdf", "pypdfium2"]:  # these at first use
    importlib.import_module(name)
specs = [module.__spec__ for module in list(sys.modules.values()) if getattr(module, "__spec__", None)]
slow = [spec.name for spec in specs if spec.cached and not os.path.exists(spec.cached)]
print(len(names), len(specs), *slow)
"""

VERIFY = """
import os, pathlib
from docker_worker.models import MODELS, verify
verify(pathlib.Path(os.environ["OCR_MODEL_ROOT"]))
print(len(MODELS))
"""

WRITES = """
import os, sys
for folder in ("/", "/app", "/models", "/venv", "/var/tmp", "/run", "/tmp"):
    try:
        with open(os.path.join(folder, "written"), "w"):
            print(folder)
    except OSError:
        pass
"""

OCR = """
import os, sys, time
from pathlib import Path
import numpy
from PIL import Image, ImageDraw, ImageFont
from docker_worker.ocr.paddle_engine import PaddleEngines
from handlers.document.engine import EngineChoice, Quality

page = Image.new("RGB", (900, 300), "white")
pen = ImageDraw.Draw(page)
for row, text in enumerate(sys.argv[1:]):
    pen.text((40, 40 + 110 * row), text, fill="black", font=ImageFont.load_default(size=64))
pixels = numpy.ascontiguousarray(numpy.asarray(page)[:, :, ::-1])
engines = PaddleEngines(Path(os.environ["OCR_MODEL_ROOT"]))
for quality in Quality:
    begun = time.perf_counter()
    read = engines(EngineChoice(quality)).read(pixels)
    print(quality.value, f"{time.perf_counter() - begun:.1f}", *(line.text for line in read.lines), sep="|")
"""

# A child that ends before its own child does, which then belongs to PID 1 and ends too: nobody may be left dead.
ORPHAN = """
import os, time
def dead(pid):
    try:
        return " Z " in open(f"/proc/{pid}/stat").read()
    except (FileNotFoundError, ProcessLookupError):  # it has gone since
        return False
read, write = os.pipe()
if os.fork() == 0:
    os.close(read)
    if os.fork() == 0:
        while os.getppid() != 1:
            time.sleep(0.01)
    os._exit(0)
os.close(write)
os.wait()
os.read(read, 1)
for _ in range(1000):
    left = [pid for pid in os.listdir("/proc") if pid.isdigit() and dead(pid)]
    if not left:
        break
    time.sleep(0.01)
print(len(left))
"""

LIVEZ = """
import os, http.server, subprocess, sys, threading

class Lives(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/livez" else 404)
        self.end_headers()

server = http.server.HTTPServer(("127.0.0.1", 0), Lives)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = {**os.environ, "DOCKER_HTTP_PORT": str(server.server_address[1])}
healthy = subprocess.run(sys.argv[1:], env=port).returncode
server.shutdown()
server.server_close()
print(healthy, subprocess.run(sys.argv[1:], env=port).returncode)
"""
