"""How the link is set up, and which channels there are, each defined in one line; no torch is needed to know it."""

from typing import Annotated, Literal

from pydantic import Field

from benchmarks.common.validation import Settings
from benchmarks.link.digital.settings import DigitalSettings

# Beyond it powers leave what 32 bits resolve.
MAX_DB = 200.0
Decibel = Annotated[float, Field(ge=-MAX_DB, le=MAX_DB)]
Equalizer = Literal["mmse", "zf"]
Csi = Literal["perfect", "ls"]
Interpolation = Literal["nn", "lin", "lin_time_avg"]
Profile = Literal["A", "B", "C"]
TDL_PROFILES: tuple[Profile, ...] = ("A", "C")


class OfdmSettings(Settings):
    """Settings of the tapped delay lines under OFDM, whichever their profile.

    Attributes:
        delay_spread_ns: RMS delay spread in ns; 100 is the "nominal" one of TR 38.901, table 7.7.3-1.
        speed: of the receiver, m/s.
        carrier_ghz: carrier frequency in GHz.
        subcarriers: of an OFDM symbol.
        spacing_khz: subcarrier spacing in kHz.
        csi: "perfect", or "ls": least squares at the pilots, interpolated.
        interpolation: of the LS estimate: nearest pilot, linear in time and frequency, or linear in frequency and averaged in time.
    """

    delay_spread_ns: float = Field(default=100.0, gt=0)
    speed: float = Field(default=1.0, ge=0)
    carrier_ghz: float = Field(default=3.5, gt=0)
    subcarriers: int = Field(default=1024, ge=2, le=65_536)
    spacing_khz: float = Field(default=30.0, gt=0)
    csi: Csi = "perfect"
    interpolation: Interpolation = "lin_time_avg"


class LinkSettings(Settings):
    """How the link is set up; every field changes results.

    Attributes:
        equalizer: "mmse" or "zf" (zero forcing) for the analog stream of a fading channel.
        rician_k: ratio of line-of-sight to scattered power of ``rician``, linear.
        digital: coding and modulation of the digital stream.
        ofdm: resource grid and channel estimation of ``tdl-a`` and ``tdl-c``.
    """

    equalizer: Equalizer = "mmse"
    rician_k: float = Field(default=4.0, ge=0.0, le=1e6)
    digital: DigitalSettings = DigitalSettings()
    ofdm: OfdmSettings = OfdmSettings()


FLAT_SUMMARIES = {
    "awgn": "h = 1",
    "rayleigh": "h ~ CN(0,1), a new one each symbol (fast fading)",
    "rayleigh-block": "h ~ CN(0,1), one an image, shared by its analog and digital streams",
    "rayleigh-real": "h ~ N(0,1) real, a new one each symbol (GenED-SC eq. 7 read literally)",
}


def rician_summary(k_factor: float) -> str:
    """Return the definition of the Rician channel in one line."""
    return f"h = sqrt(K/(K+1)) + sqrt(1/(K+1)) CN(0,1) a symbol, K = {k_factor:g}"


def tdl_summary(profile: Profile, settings: OfdmSettings) -> str:
    """Return the definition of a tapped delay line in one line."""
    state = "known channel" if settings.csi == "perfect" else f"channel estimated by least squares, {settings.interpolation}"
    return (
        f"3GPP TDL-{profile}, {settings.delay_spread_ns:g} ns, {settings.speed:g} m/s at {settings.carrier_ghz:g} GHz, one realisation "
        f"an image; OFDM, {settings.subcarriers} subcarriers of {settings.spacing_khz:g} kHz; {state}"
    )


def channel_summaries(settings: LinkSettings) -> dict[str, str]:
    """Return the definition of every channel in one line, by name, as ``settings`` configure it."""
    lines = {f"tdl-{profile.lower()}": tdl_summary(profile, settings.ofdm) for profile in TDL_PROFILES}
    return {**FLAT_SUMMARIES, "rician": rician_summary(settings.rician_k), **lines}
