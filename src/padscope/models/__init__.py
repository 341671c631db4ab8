"""From what a person names to a model in eval mode, and what to feed it.

`load_model` takes a spec from the command line, `wrap_module` a module from Python; both give a
`LoadedModel`. `SOURCES` says what a spec may begin with, or a file end in; each source names an
`Architecture`. `as_found` borrows the module for a measurement and gives it back unchanged.
`class_names` tells what a known model's classes are called.
`fresh_weights`, `matched_weights` and `shuffled_weights` make the networks it is compared with,
`without_shifts` the one whose batch norms shift nothing; `at_initial_values` tells whether it
is untrained, `compare_norms` whether the statistics of its batch norms fit the images.
"""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.models.architecture import Architecture
    from padscope.models.baselines import fresh_weights, shuffled_weights, without_shifts
    from padscope.models.batchnorm import reestimate_batchnorm
    from padscope.models.borrowing import as_found
    from padscope.models.classes import class_names, class_numbers
    from padscope.models.initial import at_initial_values
    from padscope.models.load import SOURCES, load_model, wrap_module
    from padscope.models.loaded import LoadedModel
    from padscope.models.matching import Matched, Matching, matched_weights
    from padscope.models.norm_fit import NEVER_ESTIMATED, NormFit, compare_norms, never_estimated
    from padscope.models.preprocessing import InputDefaults, Preprocessing
    from padscope.models.structure import spatial_dims
    from padscope.models.trial import takes

__all__ = [
    "NEVER_ESTIMATED",
    "SOURCES",
    "Architecture",
    "InputDefaults",
    "LoadedModel",
    "Matched",
    "Matching",
    "NormFit",
    "Preprocessing",
    "as_found",
    "at_initial_values",
    "class_names",
    "class_numbers",
    "compare_norms",
    "fresh_weights",
    "load_model",
    "matched_weights",
    "never_estimated",
    "reestimate_batchnorm",
    "shuffled_weights",
    "spatial_dims",
    "takes",
    "without_shifts",
    "wrap_module",
]

__getattr__, __dir__ = lazily(__name__)
