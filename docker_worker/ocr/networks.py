"""The three networks of PP-OCR as functions of arrays, loaded by paddleocr's own module classes.

The classes of pipelines are not used: they read a page on one thread, one crop of text after the other, each padded to
320 pixels, and give no confidence a character.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from docker_worker.models import model_dir
from docker_worker.ocr.paddle_package import Translation, import_paddleocr
from handlers.document.engine import Quality

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Tensor: TypeAlias = npt.NDArray[np.float32]
    Network: TypeAlias = Callable[[Tensor], Tensor]

A = TypeVar("A")
B = TypeVar("B")

ORIENTATION_MODEL = "PP-LCNet_x1_0_doc_ori"
MODEL_SIZES = {Quality.ACCURATE: "small", Quality.FAST: "tiny"}

SESSION = {
    "intra_op_num_threads": 1,
    "inter_op_num_threads": 1,
    "enable_mem_pattern": False,
}
"""onnxruntime's options. Its arena stays on: over pages of all sizes a process came to 511 MB with it, to 736
without, as glibc keeps in pieces what was freed, and took 5 to 10 % longer. It keeps what it has, and over a thousand
pages that becomes more and more: :attr:`Networks.give_back` is for that."""

_SHRINKING = ("memory.enable_memory_arena_shrinkage", "cpu:0")
_SMALLEST = {"detect": (1, 3, 32, 32), "recognise": (1, 3, 48, 32)}


class Map(Protocol):
    """Calls a function for each item, maybe on several threads, and gives what it gave, in their order."""

    def __call__(self, function: Callable[[A], B], items: Iterable[A], /) -> Iterable[B]: ...


@dataclass(frozen=True, slots=True)
class Networks:
    """What a page is read with. The functions may be called from several threads at once.

    ``detect`` takes a 1x3xHxW float32 page, its sides multiples of 32, and gives 1x1xHxW, how sure each pixel is text;
    ``recognise`` takes Nx3x48xW lines and gives NxTxC, how sure each step along the line is each of ``characters``, of
    which the first is "", between characters; ``classify`` takes 1x3x224x224 and gives 1x4, how sure the page is turned
    clockwise by 0, 90, 180 and 270 degrees. ``engine`` and ``models`` name what it is, with versions.
    ``give_back`` ends what the networks keep for later and do not use; it takes a few milliseconds.
    """

    detect: Network
    recognise: Network
    classify: Network
    characters: tuple[str, ...]
    engine: str
    models: tuple[str, ...]
    give_back: Callable[[], object] = lambda: None


def load_networks(model_root: Path, quality: Quality, cache_dir: Path | None = None) -> Networks:
    """From the models under ``model_root``, which takes seconds.

    Raises :class:`core.errors.DependencyMissing` where a package or model is not installed, and
    :class:`handlers.document.errors.OcrFailed` where the networks cannot be built from them.
    """
    size = MODEL_SIZES[quality]
    names = (f"PP-OCRv6_{size}_det", f"PP-OCRv6_{size}_rec", ORIENTATION_MODEL)
    folders = {name: model_dir(model_root, name) for name in names}
    paddleocr = import_paddleocr(cache_dir)
    modules = (paddleocr.TextDetection, paddleocr.TextRecognition, paddleocr.DocImgOrientationClassification)
    with Translation().to_ocr_failed("be built"):
        detection, recognition, orientation = (
            _predictor(module, name, folders[name]) for module, name in zip(modules, names, strict=True)
        )
        return Networks(
            detect=_network(detection),
            recognise=_network(recognition),
            classify=_network(orientation),
            characters=_characters(recognition),
            engine=f"paddleocr {paddleocr.__version__}",
            models=names,
            give_back=_giving_back({"detect": detection, "recognise": recognition}),
        )


def _predictor(module: Any, name: str, folder: Path) -> Any:
    return module(
        model_name=name, model_dir=str(folder), device="cpu", engine="onnxruntime", engine_config=SESSION
    ).paddlex_predictor


def _network(predictor: Any) -> Network:
    """The predictor's runner, without what it does before and after."""
    runner = predictor.runner

    def run(tensor: Tensor) -> Tensor:
        (result,) = runner(x=[tensor])
        tensor_out: Tensor = result
        return tensor_out

    return run


def _giving_back(predictors: Mapping[str, Any]) -> Callable[[], None]:
    """onnxruntime's arena shrinks at the end of a run that asks for it: here one of the smallest input there is."""
    import numpy as np  # noqa: PLC0415 - the engine's, which is loaded by now
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.RunOptions()
    options.add_run_config_entry(*_SHRINKING)
    sessions = [(predictors[name].runner.session, np.zeros(shape, np.float32)) for name, shape in _SMALLEST.items()]

    def give_back() -> None:
        for session, nothing in sessions:
            session.run(None, {session.get_inputs()[0].name: nothing}, options)

    return give_back


def _characters(recognition: Any) -> tuple[str, ...]:
    first, *rest = recognition.post_op.character
    if first != "blank":
        raise ValueError("the recogniser's first class is not the one between characters")
    return ("", *rest)
