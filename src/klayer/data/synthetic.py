"""Images that the project makes itself, for a machine that cannot reach CIFAR-10.

Ten classes of coloured images in the layout and the size of the original files. An image is a
smooth random field (what all classes share) with two marks of its class: a faint tint, that a
linear classifier can see, and an object whose colours may be inverted. The mean of an object and
its inverse is nothing, so only a network with hidden units can make use of it.

All arithmetic is on whole numbers, so every machine makes the same bytes.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from klayer.data.archive import BATCH, FOLDER, TRAINING
from klayer.data.dataset import PIXELS
from klayer.files import whole_folder

CLASSES = 10
CHUNK = 100  # images
GRID = 8  # a field is drawn on 8 x 8 points and interpolated to 32 x 32 pixels
OBJECTS = 3  # of each class
TINT, OBJECT, FIELD = 4, 7, 44  # strength of each part, in steps of a pixel's 256


def write_batches(seed: int, folder: Path = FOLDER) -> None:
    """Writes the seven files, the same bytes for the same seed. Raises KlayerError as
    `whole_folder` does.
    """
    generator = np.random.default_rng(seed)
    marks = _class_marks(generator)
    titles = {name: f"training batch {n} of 5" for n, name in enumerate(TRAINING, 1)}
    titles["test_batch"] = "testing batch 1 of 1"
    names = b"".join(_text(b"class_%d" % c) for c in range(CLASSES))
    with whole_folder(folder) as partial:
        (partial / "batches.meta").write_bytes(_dictionary(label_names=b"](" + names + b"e"))
        with threadpool_limits(1):  # more threads only wait for each other here
            for name, title in titles.items():
                (partial / name).write_bytes(_batch(title, marks, generator))


def _class_marks(generator: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tints (C, 3 * 64) and objects (C, K, 3 * 64), as values on the grid."""
    tints = TINT * _bell(generator, (CLASSES, 3 * GRID * GRID))
    objects = OBJECT * _bell(generator, (CLASSES, OBJECTS, 3 * GRID * GRID))
    return tints, objects


def _bell(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Whole numbers with mean 0, deviation 10 and nearly a normal distribution."""
    four = generator.integers(-8, 8, (*shape, 4), np.int8, endpoint=True)
    return np.asarray(four.sum(axis=-1), np.int64)


def _batch(
    title: str,
    marks: tuple[NDArray[np.int64], NDArray[np.int64]],
    generator: np.random.Generator,
) -> bytes:
    """A batch of 10,000 images, 1,000 of each class, as CIFAR-10 has it."""
    tints, objects = marks
    labels = generator.permutation(BATCH) % CLASSES  # (n,)
    kinds = generator.integers(0, OBJECTS, BATCH)  # (n,)
    signs = generator.integers(0, 2, (BATCH, 1)) * 2 - 1  # (n, 1)
    field = FIELD * _bell(generator, (BATCH, 3 * GRID * GRID))
    grid = tints[labels] + signs * objects[labels, kinds] + field  # (n, 3 * 64)
    filenames = (_text(b"synthetic_%d_%05d.png" % (c, i)) for i, c in enumerate(labels))
    return _dictionary(
        batch_label=_text(title.encode()),
        labels=b"](" + b"".join(b"K%c" % c for c in labels.tolist()) + b"e",
        data=_array(_pixels(grid)),
        filenames=b"](" + b"".join(filenames) + b"e",
    )


def _pixels(grid: NDArray[np.int64]) -> NDArray[np.uint8]:
    """8-bit images (n, 3072) from the values on the grid, by bilinear interpolation.

    The products are of whole numbers below 2**24, so that float32 has them exactly.
    """
    line = np.zeros((GRID, 32), np.float32)
    position = np.clip(np.arange(32) * 2 - 3, 0, 8 * (GRID - 1))  # in eighths of a grid step
    left = np.minimum(position // 8, GRID - 2)
    line[left + 1, np.arange(32)] = position - 8 * left
    line[left, np.arange(32)] = 8 - (position - 8 * left)
    weights = np.kron(line, line)  # (64, 1024)
    pixels = np.empty((len(grid), PIXELS), np.uint8)
    for start in range(0, len(grid), CHUNK):  # few at once stay in the processor's cache
        points = grid[start : start + CHUNK].reshape(-1, GRID * GRID).astype(np.float32)
        fields = points @ weights / 640  # 8 * 8 from the weights, 10 from _bell
        fields = np.clip(np.floor(fields) + 128, 0, 255)
        pixels[start : start + CHUNK] = fields.reshape(-1, PIXELS)
    return pixels


def _dictionary(**values: bytes) -> bytes:
    """A pickle as Python 2 wrote them (protocol 2), of values that are pickled already."""
    items = b"".join(_text(key.encode()) + value for key, value in values.items())
    return b"\x80\x02}(" + items + b"u."


def _text(text: bytes) -> bytes:
    """A `str` of Python 2."""
    return b"T" + struct.pack("<i", len(text)) + text


def _array(values: NDArray[np.uint8]) -> bytes:
    """An array (N, d) of bytes."""
    dtype = (
        b"cnumpy\ndtype\nU\x02u1\x89\x88\x87R(K\x03U\x01|NNN"
        + b"J\xff\xff\xff\xff" * 2
        + b"K\x00tb"
    )
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    shape = struct.pack("<cici", b"J", len(values), b"J", values.shape[1]) + b"\x86"
    return empty + b"(K\x01" + shape + dtype + b"\x89" + _text(values.tobytes()) + b"tb"
