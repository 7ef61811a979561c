"""Score -> probability: one file per map.

A score is on the scale of log-odds (`Calibrator`). A calibrator is settings; `fit` gives a
`FittedCalibrator`, which is saved and loaded as a plain dictionary.
"""

from calibrant.calibration.beta import Beta
from calibrant.calibration.by_subject import BySubject
from calibrant.calibration.calibrator import Calibrator, FittedCalibrator
from calibrant.calibration.cross_fitting import cross_fit
from calibrant.calibration.histogram import Histogram
from calibrant.calibration.isotonic import Isotonic
from calibrant.calibration.none import Uncalibrated
from calibrant.calibration.platt import Platt
from calibrant.calibration.temperature import Temperature

__all__ = [
    "Beta",
    "BySubject",
    "Calibrator",
    "FittedCalibrator",
    "Histogram",
    "Isotonic",
    "Platt",
    "Temperature",
    "Uncalibrated",
    "cross_fit",
]
