"""A picture as a JPEG has it: luma and chroma in blocks of 8 by 8, as coefficients of the cosine transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from handlers.portal.adapt.similarity import STEADY, WINDOW

if TYPE_CHECKING:
    from handlers.document.engine import Page

Plane: TypeAlias = npt.NDArray[np.float32]

ZIGZAG = np.array(
    sorted(range(64), key=lambda n: (n // 8 + n % 8, n // 8 if (n // 8 + n % 8) % 2 else n % 8)), dtype=np.intp
)
"""Row by row positions in the order of ITU-T T.81, figure 5."""

_YCC = np.array(
    [[0.114, 0.587, 0.299, 0], [0.5, -0.331264, -0.168736, 128], [-0.081312, -0.418688, 0.5, 128]], np.float32
)
"""JFIF 1.02's conversion, for B, G, R."""

CHROMA_WEIGHT = 0.7
"""What an error of chroma counts beside one of luma: in the three channels' mean, 0.83 and 1.09 by JFIF's conversion
back, less what the decoder's smooth enlargement takes away."""


def _cosines() -> Plane:
    k = np.arange(8)
    matrix = 0.5 * np.cos((2 * k[None] + 1) * k[:, None] * np.pi / 16)
    matrix[0] = np.sqrt(1 / 8)
    return matrix.astype(np.float32)


_COSINES = _cosines()


@dataclass(frozen=True, slots=True)
class Component:
    """``coefficients`` are Nx64 float32 in zigzag order, block by block of each row; ``weights`` N float32, what a
    squared error in a block takes from the similarity, as a share of what it does where nothing is to be seen."""

    coefficients: Plane
    weights: Plane


def components(page: Page, shrink: int) -> tuple[Component, Component, Component]:
    """Luma and both chroma planes, these with a sample for ``shrink`` pixels across and down (1 or 2)."""
    planes = np.asarray(cv2.transform(page.astype(np.float32), _YCC), np.float32)
    luma, blue, red = (np.ascontiguousarray(planes[:, :, n]) for n in range(3))
    weights = visibility(luma)
    shrunk = _blocks(_shrunk(weights, shrink)).mean((1, 2)) * np.float32(CHROMA_WEIGHT * shrink * shrink)
    return (
        Component(_transformed(luma), _blocks(weights).mean((1, 2))),
        Component(_transformed(_shrunk(blue, shrink)), shrunk),
        Component(_transformed(_shrunk(red, shrink)), shrunk),
    )


def visibility(luma: Plane) -> Plane:
    """What a pixel's squared error takes from SSIM, 0..1: SSIM is about 1 - e² / (2 s² + C2), where s² is the variance
    of the window around it (Wang et al., "Image quality assessment", 2004, equation 13, for means that are kept)."""
    mean = cv2.blur(luma, WINDOW)
    variance = np.maximum(cv2.blur(luma * luma, WINDOW) - mean * mean, 0)
    return np.asarray(cv2.blur((STEADY / (2 * variance + STEADY)).astype(np.float32), WINDOW), np.float32)


def _shrunk(plane: Plane, by: int) -> Plane:
    if by == 1:
        return plane
    height, width = plane.shape
    even = np.pad(plane, ((0, -height % by), (0, -width % by)), mode="edge")
    return np.asarray(
        even.reshape(even.shape[0] // by, by, even.shape[1] // by, by).mean((1, 3), dtype=np.float32), np.float32
    )


def _blocks(plane: Plane) -> Plane:
    height, width = plane.shape
    whole = np.pad(plane, ((0, -height % 8), (0, -width % 8)), mode="edge")
    rows, columns = whole.shape[0] // 8, whole.shape[1] // 8
    return whole.reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3).reshape(-1, 8, 8)


def _transformed(plane: Plane) -> Plane:
    blocks = np.ascontiguousarray(_blocks(plane - np.float32(128)))
    return np.asarray((_COSINES @ blocks @ _COSINES.T).reshape(-1, 64)[:, ZIGZAG], np.float32)
