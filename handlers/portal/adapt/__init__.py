"""A picture made as a portal wants it: cut, scaled, encoded within its bytes, and measured when it is done.

What is exported needs neither numpy nor cv2; :mod:`handlers.portal.adapt.provider` gives what does the work.
"""

from handlers.portal.adapt.records import Adapted, AdaptReport, Box, Face, FaceDetector, Head, Point, RuleCheck

__all__ = ["AdaptReport", "Adapted", "Box", "Face", "FaceDetector", "Head", "Point", "RuleCheck"]
