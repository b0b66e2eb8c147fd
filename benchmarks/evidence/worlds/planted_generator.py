"""A planted generator of images: principal components of each class, sampled at a temperature.

Letters: C classes; N_c real images of class c as rows X_c (N_c, D) in [0, 1]; m_c their mean; k components.

    X_c - m_c = U S V^T,   x = clip(m_c + t sum_{j<=k} z_j (s_j / sqrt(N_c - 1)) v_j, 0, 1),   z_j ~ N(0, 1)

With t = 1 and every component the samples have the class's mean and covariance; fewer components lose detail, t < 1
variety. It replaces a generative model where a data set has no synthetic counterpart.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from PIL import Image

from mixval.errors import ShapeError
from mixval.seeds import derive_seed, generator


@dataclass(frozen=True)
class PlantedGenerator:
    """Fitted classes, each with a mean (D,) and scaled components (k, D), float32."""

    classes: tuple[int, ...]
    means: tuple[np.ndarray, ...]
    components: tuple[np.ndarray, ...]
    """Row j is (s_j / sqrt(N_c - 1)) v_j."""
    shape: tuple[int, ...]
    """Shape of one image; D is its product."""

    def sample(self, class_index: int, n: int, temperature: float, random: np.random.Generator) -> np.ndarray:
        """(n, *shape) float32 images in [0, 1] of one class, by its position in `classes`."""
        components = self.components[class_index]
        z = random.standard_normal((n, len(components))).astype(np.float32)
        images: np.ndarray = np.clip(self.means[class_index] + temperature * (z @ components), 0, 1)
        return images.reshape(n, *self.shape)


def fit_generator(
    images: np.ndarray,  # (N, ...) float in [0, 1]
    labels: np.ndarray,  # (N,) int64
    n_components: int,
) -> PlantedGenerator:
    """The class-wise principal components. A class of one image has none, and is always that image."""
    if len(images) != len(labels) or images.ndim < 2 or n_components < 1:
        raise ShapeError(
            f"images (N, ...), labels (N,) and at least one component are needed, found {images.shape}, {labels.shape} and "
            f"{n_components}."
        )
    classes = tuple(int(label) for label in np.unique(labels))
    flat = images.reshape(len(images), -1).astype(np.float32)
    means, components = [], []
    for label in classes:
        rows = flat[labels == label]
        mean = rows.mean(0)
        _, spread, directions = np.linalg.svd(rows - mean, full_matrices=False)
        k = min(n_components, len(rows) - 1)
        means.append(mean)
        components.append(spread[:k, None] * directions[:k] / np.sqrt(max(len(rows) - 1, 1)))
    return PlantedGenerator(classes, tuple(means), tuple(components), images.shape[1:])


def generated_rows(rows: pa.Table, n_per_class: int, temperature: float, n_components: int, seed: int) -> pa.Table:
    """Rows under the schema of `rows` (PNG `image` (H, W, 3), `label`, `id`, `source`), `n_per_class` of every class.

    The source is `pca-K-tT` for K components at temperature T; the rest of the columns must be none.
    """
    if sorted(rows.column_names) != ["id", "image", "label", "source"]:
        raise ShapeError(f"rows must have exactly the columns id, image, label and source, found {rows.column_names}.")
    fitted = fit_generator(_pixels(rows), rows["label"].to_numpy(), n_components)
    source = f"pca-{n_components}-t{temperature:g}"
    columns: dict[str, list[object]] = {"id": [], "image": [], "label": [], "source": []}
    for at, label in enumerate(fitted.classes):
        images = fitted.sample(at, n_per_class, temperature, generator(seed, source, label))
        columns["image"] += [_png(image) for image in images]
        columns["label"] += [label] * n_per_class
        columns["id"] += [f"{derive_seed(seed, source, label, i):016x}" for i in range(n_per_class)]
    columns["source"] = [source] * len(columns["id"])
    return pa.table({name: columns[name] for name in rows.column_names}, schema=rows.schema)


def _pixels(rows: pa.Table) -> np.ndarray:  # (N, H, W, 3) float32 in [0, 1]
    arrays = []
    for encoded in rows["image"].to_pylist():
        with Image.open(io.BytesIO(encoded)) as image:
            arrays.append(np.asarray(image.convert("RGB"), dtype=np.float32) / 255)
    return np.stack(arrays)


def _png(image: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(sink, "PNG")
    return sink.getvalue()
