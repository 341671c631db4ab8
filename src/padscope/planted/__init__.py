"""Small networks whose padding-aware filters are known by construction, to test detectors with.

Every filter of every convolution has a `Plant` that says at which sides padding changes its
activations, where the change comes from and which way it goes. The truth follows from which taps
of a kernel leave the frame (see `padscope.planted.truth`), never from a detector.

Where recognising is at stake, what a filter was made for is no truth. `detectors` mixes kernels of
all sorts, and `raw_recalls` tells by brute force which of them recognise a border. `train_control`
trains networks for which it pays to recognise it, and others for which it does not.

Examples
--------
>>> from padscope.planted import judge, networks
>>> network = networks()["1d"]
>>> [plant.family for plant in network.plants if plant.sides == {"start"}]
['left tap', 'inner left tap', 'copy of left tap', 'copy of inner left tap']
>>> scores = {(p.site, p.filter, s): s in p.sides for p in network.plants for s in network.sides}
>>> judge(network, scores, cut=0.5).recall
1.0
"""

from padscope.planted.catalogue import networks
from padscope.planted.controls import Task, control_accuracy, control_photographs, train_control
from padscope.planted.detectors import DetectorNetwork, detectors
from padscope.planted.judgement import Judgement, judge
from padscope.planted.network import PlantedNetwork
from padscope.planted.plant import Cause, Plant
from padscope.planted.recall import raw_border_recall, raw_recalls, raw_shift

__all__ = [
    "Cause",
    "DetectorNetwork",
    "Judgement",
    "Plant",
    "PlantedNetwork",
    "Task",
    "control_accuracy",
    "control_photographs",
    "detectors",
    "judge",
    "networks",
    "raw_border_recall",
    "raw_recalls",
    "raw_shift",
    "train_control",
]
