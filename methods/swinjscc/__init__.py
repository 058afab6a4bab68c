"""SwinJSCC: deep joint source-channel coding with Swin transformers, fixed, SNR-adaptive and rate-adaptive.

::

    image ──Swin encoder──> features (B, L, C) ──pair──> k complex symbols ──analog link──> symbols ──unpair──┐
                │  rate-adaptive: which C' of C channels were kept ──digital link──> mask ─────────────────────┤
                │  receiver_scale "sent": root mean square of the features ──digital link──> scale ────────────┤
                └─ SNR-adaptive: both sides are told the SNR                       image <──Swin decoder───────┘

Source: K. Yang, S. Wang, J. Dai, X. Qin, K. Niu, P. Zhang, "SwinJSCC: Taming Swin Transformer for Deep Joint
Source-Channel Coding", IEEE TCCN 2025, arXiv 2308.09361; sizes, names and gates from the authors' code,
github.com/semcomm/SwinJSCC, commit a6d0e6d. :func:`load_authors` runs their weights with their features; inside the
suite, setting ``authors_checkpoint`` puts them behind the suite's link.

The network is the authors'; the link is the suite's, and differs on purpose:

==================  =====================================================  ============================================
aspect              authors' code                                          here
==================  =====================================================  ============================================
power               one scale for the whole batch                          each image has unit mean power
pairing             the batch is cut in halves: the first half of the      two values of the same image
                    images is real, the second imaginary
channel choice      known to the receiver, neither sent nor counted        sent as bits, coded, modulated and counted
power scale         known to the receiver, neither sent nor counted        not known ("unit") or sent and counted ("sent")
Rayleigh            a positive real gain a symbol, no phase, not           complex gain, equalised by a receiver that knows
                    equalised, the decoder is not told                     it; ``rayleigh-real`` is the nearest relative
==================  =====================================================  ============================================

With the authors' accounting an image's noise depends on its batch mates, and side information comes free; neither can
stand in a comparison. At batch size one and AWGN both links are the same but for the scale.

A mask that arrives damaged is not used: the receiver then assumes that the first channels were kept, and unit scale.
"""

from typing import TYPE_CHECKING, Any

from benchmarks.common.lazy import lazy_attribute

if TYPE_CHECKING:
    from methods.swinjscc.authors import load_authors
    from methods.swinjscc.method import SwinJSCC
    from methods.swinjscc.settings import SwinJSCCSettings

__all__ = ["SwinJSCC", "SwinJSCCSettings", "load_authors"]


def __getattr__(name: str) -> Any:
    return lazy_attribute(__name__, name, __all__, ("settings", "authors", "method"))
