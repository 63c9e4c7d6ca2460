"""Light through air and space: a Gaussian beam, what an aperture takes of it, and what the atmosphere leaves.

Diffraction and extinction only, and the mean loss of an unsteady aim where one is given: turbulence, scintillation and
daylight are not modelled, so real links lose more.
"""

from dataclasses import dataclass
from math import expm1, pi, radians, sin, sqrt

from qstack.base.errors import LocalMisuse
from qstack.quantum.channels import SPEED_OF_LIGHT_M_S, decibels
from qstack.quantum.heralding import check_probabilities

__all__ = ["Beam", "FreeSpace", "air"]


@dataclass(frozen=True, slots=True)
class Beam:
    """A Gaussian beam and the aperture that it falls on.

    `waist_m`: radius at the sender at which the intensity has fallen to 1/e^2; `aperture_m`: radius of the receiver's
    aperture; `pointing_rad`: standard deviation, by axis, of the angle between beam and receiver.
    """

    waist_m: float
    aperture_m: float
    wavelength_nm: float = 850.0
    pointing_rad: float = 0.0

    def __post_init__(self) -> None:
        if min(self.waist_m, self.aperture_m, self.wavelength_nm) <= 0.0 or self.pointing_rad < 0.0:
            raise LocalMisuse(f"{self}: waist, aperture and wavelength are above 0, no angle is negative")

    def radius_m(self, distance_m: float) -> float:
        """w(L) = w0 sqrt(1 + (lambda L / pi w0^2)^2)."""
        return self.waist_m * sqrt(1.0 + (self.wavelength_nm * 1e-9 * distance_m / (pi * self.waist_m**2)) ** 2)

    def captured(self, distance_m: float) -> float:
        """1 - exp(-2 a^2 / w^2), times 1 / (1 + 4 s^2 / w^2) for an aim that wanders by s = L pointing on each axis.

        The second factor is the mean of exp(-2 r^2 / w^2) over that wandering: exact for apertures small against w.
        """
        radius = self.radius_m(distance_m)
        wander = 4.0 * (self.pointing_rad * distance_m / radius) ** 2
        return -expm1(-2.0 * (self.aperture_m / radius) ** 2) / (1.0 + wander)


def air(zenith: float, elevation_rad: float) -> float:
    """What a flat atmosphere that leaves `zenith` of light from straight above leaves at an elevation: the power
    sec(zenith angle) of it, which is good down to about 20 degrees and too dark below. 0 at and below the horizon."""
    height = sin(elevation_rad)
    return zenith ** (1.0 / height) if height > 0.0 else 0.0


@dataclass(frozen=True, slots=True)
class FreeSpace:
    """A beam between two places that do not move.

    `attenuation_db_km`: extinction along the way, for links inside the atmosphere; `zenith`: share that the whole
    atmosphere leaves of light from straight above, for links through it at `elevation_deg`.
    """

    length_km: float
    beam: Beam
    attenuation_db_km: float = 0.0
    zenith: float = 1.0
    elevation_deg: float = 90.0

    def __post_init__(self) -> None:
        check_probabilities(self.zenith)
        if min(self.length_km, self.attenuation_db_km) < 0.0 or not 0.0 < self.elevation_deg <= 90.0:
            raise LocalMisuse(f"{self}: lengths and losses are not negative, elevations are in ]0, 90] degrees")

    @property
    def best_ns(self) -> int:
        """Any instant."""
        return 0

    def transmissivity(self, instant_ns: int) -> float:
        """Probability that a photon arrives."""
        arriving = decibels(self.length_km * self.attenuation_db_km) * air(self.zenith, radians(self.elevation_deg))
        return arriving * self.beam.captured(self.length_km * 1e3)

    def delay_ns(self, instant_ns: int) -> int:
        """Time of flight."""
        return round(self.length_km * 1e12 / SPEED_OF_LIGHT_M_S)

    def constant_until(self, instant_ns: int) -> int | None:
        """Never changes."""
        return None
