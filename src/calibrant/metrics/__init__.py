"""Pure functions of (confidence, correct, weights); one binning function; bootstrap intervals.

A module that defines its own name is a metric: a function `(confidence, correct, weights=None, *,
options) -> float`, or an array (R,) for weights (R, n). The other modules are tools.
"""

from calibrant.metrics.accuracy import accuracy
from calibrant.metrics.aurc import RiskCoverageCurve, aurc, risk_coverage_curve
from calibrant.metrics.auroc import auroc
from calibrant.metrics.binning import Strategy, bin_edges, bin_index
from calibrant.metrics.brier_score import BrierDecomposition, brier_decomposition, brier_score
from calibrant.metrics.common import Measure
from calibrant.metrics.coverage import coverage, selective_accuracy, threshold_for_accuracy
from calibrant.metrics.ece import ece
from calibrant.metrics.ece_corrected import ece_corrected
from calibrant.metrics.ece_floor import ece_floor, ece_noise_range
from calibrant.metrics.ece_folded import ece_folded
from calibrant.metrics.intervals import Interval, Resamples, bootstrap, interval, resample
from calibrant.metrics.log_loss import log_loss
from calibrant.metrics.reliability import ReliabilityDiagram, reliability_diagram
from calibrant.metrics.smooth_ece import smooth_ece
from calibrant.metrics.subjects import SubjectMean, subject_mean

__all__ = [
    "BrierDecomposition",
    "Interval",
    "Measure",
    "ReliabilityDiagram",
    "Resamples",
    "RiskCoverageCurve",
    "Strategy",
    "SubjectMean",
    "accuracy",
    "aurc",
    "auroc",
    "bin_edges",
    "bin_index",
    "bootstrap",
    "brier_decomposition",
    "brier_score",
    "coverage",
    "ece",
    "ece_corrected",
    "ece_floor",
    "ece_folded",
    "ece_noise_range",
    "interval",
    "log_loss",
    "reliability_diagram",
    "resample",
    "risk_coverage_curve",
    "selective_accuracy",
    "smooth_ece",
    "subject_mean",
    "threshold_for_accuracy",
]
