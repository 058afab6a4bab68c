"""Hosonuma25: a caption and a visual prior are sent, and a generative model paints the image from both.

::

    image ─┬─ captioner ───────────────> caption ─────────────┐
             └─ saliency or segmentation ─> labels ─ Group 4 ───┴─ one message ══ digital stream ══╗
    image <─ editor <─── mask as an image, caption  <────────────────────────────────────────────╣   receiver: edit
    image <─ the best <─ candidates <─ generator <─ caption;  labels and palette choose  <────────╝   receiver: select

Source: E. Hosonuma, T. Yamazaki, T. Miyoshi, A. Taya, Y. Nishiyama and K. Sezaki, "Image generative semantic communication with
multi-modal similarity estimation for resource-limited networks", IEICE Trans. Commun. E108-B(3), 2025, pp. 260-273, arXiv 2404.11280. No
code of theirs is known.

``default`` is what GenED-SC (arXiv 2606.04015, section V-B) compares with: "transmitted masks as visual priors" with the comparison's
own models. How the mask is made, coded and charged is not said there; here it is geodesic saliency on a grid of 64 x 64 cells, coded
by Group 4 and charged in the digital stream. ``segmentation`` takes the mask from a segmentation network.

``original`` sends what the authors send, a label map (theirs from DeepLabV3), the mean colour of each label and a caption, makes several
candidates and keeps the best. The scores are the project's own (:mod:`methods.hosonuma25.selection`); their recolouring of backgrounds,
their number of candidates and their generator are not reproduced. The captioner (theirs is BLIP) and the generator are the grid's.
"""

from typing import TYPE_CHECKING, Any

from benchmarks.common.lazy import lazy_attribute

if TYPE_CHECKING:
    from methods.hosonuma25.method import Hosonuma25
    from methods.hosonuma25.settings import HosonumaSettings

__all__ = ["Hosonuma25", "HosonumaSettings"]


def __getattr__(name: str) -> Any:
    return lazy_attribute(__name__, name, __all__, ("settings", "method"))
