"""Camera faults: pictures that are blurred, badly exposed, of a wrong white, noisy, and squeezed by JPEG.

In the order in which a camera does it: the lens blurs, the sensor is exposed and weighs its colours, noise
comes on top, and the file is compressed.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow
from PIL import ImageFilter

from sayso.spec import Image

Triple = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Optics:
    """How a camera spoils what it sees; as it stands here, not at all."""

    blur_px: float = 0.0
    """Standard deviation of a Gaussian blur, in pixels."""
    exposure: float = 0.0
    """Stops: at 1 everything is twice as bright, and what is brighter than white is white."""
    white: Triple = (1.0, 1.0, 1.0)
    """Factors on red, green and blue."""
    noise: float = 0.0
    """Standard deviation of Gaussian noise, in grey levels of 255."""
    jpeg: int = 0
    """Quality of a compression, 1 to 95; 0 compresses nothing."""

    def spoil(self, pictures: dict[str, Image], rng: np.random.Generator) -> dict[str, Image]:
        """Return pictures, uint8 [H, W, 3] each, as this camera has them; `rng` draws the noise."""
        return {name: self._spoilt(picture, rng) for name, picture in pictures.items()}

    def _spoilt(self, picture: Image, rng: np.random.Generator) -> Image:
        if self.blur_px:
            blurred = Pillow.fromarray(picture).filter(ImageFilter.GaussianBlur(self.blur_px))
            picture = np.asarray(blurred)
        weights = 2.0**self.exposure * np.array(self.white)
        seen = picture if np.all(weights == 1.0) else picture * weights
        if self.noise:
            seen = seen + rng.normal(0.0, self.noise, picture.shape)
        picture = np.clip(np.rint(seen), 0, 255).astype(np.uint8)
        return _compressed(picture, self.jpeg) if self.jpeg else picture


def _compressed(picture: Image, quality: int) -> Image:
    """Return a picture after a JPEG file of a quality."""
    file = io.BytesIO()
    Pillow.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.array(Pillow.open(file).convert("RGB"))
