"""Classical light in the fibre of a quantum link: what Raman scattering sends to the detectors (HARDWARE-4-3).

Classical light of power P scatters all along the fibre into the band d_lambda of the quantum channel's filter. With b
the scattering per length and bandwidth and a the attenuation (1/km, taken as the same for both wavelengths), there
leaves a fibre of length L

    along with it:   P b d_lambda L exp(-a L)
    back against it: P b d_lambda (1 - exp(-2 a L)) / (2 a)

(Eraerds et al., New J. Phys. 12 (2010) 063027; Chapuran et al., New J. Phys. 11 (2009) 105001). Divided by the energy
of a photon it is a rate. The formula is of fibre alone: losses of connectors are left out, so it errs to the bright
side. Linear crosstalk and four-wave mixing are no part of it: filters and channel plans are taken to keep them out.
"""

from dataclasses import dataclass
from math import exp
from typing import Literal

from qstack.base.errors import LocalMisuse
from qstack.quantum.channels import SPEED_OF_LIGHT_M_S, Fibre

__all__ = ["ClassicalLight", "Direction"]

Direction = Literal["along", "against", "both"]

_PLANCK_J_S = 6.62607015e-34
_NATURAL = 0.23025850929940458  # of one dB


@dataclass(frozen=True, slots=True)
class ClassicalLight:
    """Classical channels in a fibre. `direction`: along with the quantum signal, against it, or both.

    `launch_dbm`: power at the fibre's beginning, of all channels of a direction together; `filter_nm`: width of the
    filter in front of the detectors, `filter_db` its loss. `scattering_km_nm`: b above. 2e-9 is the size to expect for
    a quantum channel beside classical ones near 1550 nm; at 1310 nm it is far less. Measure it for a real plant.
    """

    launch_dbm: float
    direction: Direction = "along"
    wavelength_nm: float = 1550.0
    filter_nm: float = 0.1
    filter_db: float = 0.0
    scattering_km_nm: float = 2e-9

    def __post_init__(self) -> None:
        if self.wavelength_nm <= 0.0 or min(self.filter_nm, self.filter_db, self.scattering_km_nm) < 0.0:
            raise LocalMisuse(f"{self}: a wavelength is above 0; bandwidth, loss and scattering are not negative")

    def photons_hz(self, fibre: Fibre) -> float:
        """Photons a second that come out of the filter at the far end of the quantum signal's way."""
        fade = _NATURAL * fibre.attenuation_db_km
        length = fibre.length_km
        along = length * exp(-fade * length)
        against = (1.0 - exp(-2.0 * fade * length)) / (2.0 * fade) if fade else length
        scattered = {"along": along, "against": against, "both": along + against}[self.direction]
        watts = 1e-3 * exp(_NATURAL * self.launch_dbm) * self.scattering_km_nm * self.filter_nm * scattered
        energy = _PLANCK_J_S * SPEED_OF_LIGHT_M_S / (self.wavelength_nm * 1e-9)
        return watts * exp(-_NATURAL * self.filter_db) / energy
