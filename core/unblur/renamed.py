"""Names of the previous release that stay readable for one more, each beside its successor.

This is the one place where an old public name is written; `unblur.old_names` makes each row
work. A use of an old name warns with an `OldNameWarning` that gives the new one, and the command
prints that on stderr. The rows go with the next release.
"""

from __future__ import annotations

MODULES: dict[str, str] = {
    "unblur.allocation": "unblur.accel.malloc",
    "unblur.camera": "unblur.numerics.camera",
    "unblur.clipping": "unblur.numerics.boundaries",
    "unblur.colour": "unblur.numerics.colour",
    "unblur.compilation": "unblur.accel.jit",
    "unblur.context": "unblur.model.context",
    "unblur.contrast": "unblur.numerics.statistics",
    "unblur.convolution": "unblur.accel.convolution",
    "unblur.extent": "unblur_classic.map.kernel_size",
    "unblur.formats": "unblur.model.formats",
    "unblur.fourier": "unblur.numerics.fourier",
    "unblur.hookspecs": "unblur.plugins.hookspecs",
    "unblur.images": "unblur.model.image",
    "unblur.io.units": "unblur.model.units",
    "unblur.kernels": "unblur.model.kernel",
    "unblur.markers": "unblur.plugins.markers",
    "unblur.metrics": "unblur.numerics.metrics",
    "unblur.metrics.alignment": "unblur.numerics.metrics.shift_aligned",
    "unblur.noise": "unblur.numerics.noise",
    "unblur.operators": "unblur.numerics.operators",
    "unblur.precision": "unblur.accel.precision",
    "unblur.pruning": "unblur.numerics.kernel_ops",
    "unblur.psf": "unblur.numerics.psf",
    "unblur.psf.anatomy": "unblur.numerics.psf.properties",
    "unblur.psf.examination": "unblur.numerics.psf.diagnostics",
    "unblur.psf.finding": "unblur.numerics.psf.diagnostic",
    "unblur.psf.mending": "unblur.numerics.psf.repair",
    "unblur.pyramid": "unblur.numerics.pyramid",
    "unblur.solvers": "unblur.numerics.solvers",
    "unblur.stages": "unblur.model.stages",
    "unblur.synthesis": "unblur.numerics.synthesis",
    "unblur.synthesis.camera_shake": "unblur.numerics.synthesis.camera_motion",
    "unblur.testing.general": "unblur.testing.general_laws",
    "unblur.testing.imaging": "unblur.testing.imaging_laws",
    "unblur.testing.operators": "unblur.testing.adjoint",
    "unblur.testing.priors": "unblur.testing.prior_laws",
    "unblur.threads": "unblur.accel.threads",
    "unblur.training.pictures": "unblur.training.images",
    "unblur.weights": "unblur.plugins.weights",
}
"""Successors of renamed modules; submodules of a renamed package follow it."""

NAMES: dict[str, str] = {
    "unblur.accel.malloc:retained_memory": "unblur.accel.malloc:no_malloc_trim",
    "unblur.accel.threads:share": "unblur.accel.threads:parallel_spans",
    "unblur.engine:Chain": "unblur.engine:StepResult",
    "unblur.model.stages:PriorChoice": "unblur.model.params:PriorChoice",
    "unblur.model.stages:describe": "unblur.model.params:describe_errors",
    "unblur.model.stages:validated": "unblur.model.params:validate_params",
    "unblur.numerics.metrics:Aligned": "unblur.numerics.metrics:AlignedScore",
    "unblur.numerics.psf.properties:Anatomy": "unblur.numerics.psf.properties:PsfProperties",
    "unblur.numerics.psf:Finding": "unblur.numerics.psf:Diagnostic",
    "unblur.numerics.psf:Level": "unblur.numerics.psf:Severity",
    "unblur.numerics.psf:examine": "unblur.numerics.psf:validate",
    "unblur.numerics.pyramid:Scale": "unblur.numerics.pyramid:PyramidLevel",
    "unblur.numerics.pyramid:rescaled_kernel": "unblur.numerics.pyramid:rescale_kernel",
    "unblur.numerics.pyramid:scales": "unblur.numerics.pyramid:pyramid_levels",
    "unblur.numerics.solvers:Lengths": "unblur.numerics.solvers:CgCoefficients",
    "unblur.numerics.solvers:follow_gradient": "unblur.numerics.solvers:replay_conjugate_gradient",
    "unblur.numerics.synthesis.degradations:Pair": "unblur.numerics.synthesis.degradations:DegradedPair",  # noqa: E501
    "unblur.numerics.synthesis.motion:Path": "unblur.numerics.synthesis.motion:Trajectory",
    "unblur.numerics.synthesis:Pair": "unblur.numerics.synthesis:DegradedPair",
    "unblur.pipeline:json_schema": "unblur.pipeline_schema:json_schema",
    "unblur.plugins:BrokenPlugin": "unblur.plugins.manager:BrokenPlugin",
    "unblur.plugins:check_stage_class": "unblur.plugins.manager:check_stage_class",
    "unblur.plugins:collect": "unblur.plugins.manager:collect",
    "unblur.plugins:register": "unblur.plugins.manager:register",
    "unblur.testing.imaging_laws:settling_changes_nothing": "unblur.testing.imaging_laws:calibration_changes_nothing",  # noqa: E501
    "unblur.testing.law:damaged": "unblur.testing.law:with_masked_pixels",
    "unblur.testing.prior_laws:verdict_ignores_contrast": "unblur.testing.prior_laws:blur_score_ignores_contrast",  # noqa: E501
    "unblur.testing.scenes:Scene": "unblur.testing.scenes:SyntheticScene",
    "unblur.testing.scenes:scene": "unblur.testing.scenes:synthetic_scene",
    "unblur.testing:Scene": "unblur.testing:SyntheticScene",
    "unblur.testing:scene": "unblur.testing:synthetic_scene",
    "unblur.training.images:busyness": "unblur.training.images:mean_gradient",
    "unblur.training.images:picture_files": "unblur.training.images:image_files",
    "unblur.training.images:read_both_sizes": "unblur.training.images:read_luma_at_two_sizes",
    "unblur.training.loop:Outcome": "unblur.training.loop:TrainingResult",
    "unblur.training.loop:Report": "unblur.training.loop:OnReport",
    "unblur.training:Outcome": "unblur.training:TrainingResult",
    "unblur_classic.map.kernel_size:estimate_extent": "unblur_classic.map.kernel_size:estimate_kernel_size",  # noqa: E501
}
"""Successors of functions, classes and constants of public modules: `"module:Old": "module:New"`.

The left side names the module that held the old name, by its present path; the right side may
name another module.
"""

ATTRIBUTES: dict[str, str] = {
    "unblur.engine.api:deblur.holes": "nonfinite",
    "unblur.model.run_report:KernelRecord.where": "region",
    "unblur.model.run_report:MaskRecord.holes": "nonfinite",
    "unblur.model.context:Context.ceiling": "saturation_level",
    "unblur.model.formats:RegionWriter.grain": "write_alignment",
    "unblur.model.kernel:Kernel.reach": "half_width",
    "unblur.model.stages:Deconvolver.settled": "calibrate",
    "unblur.model.stages:Postprocessor.settled": "calibrate",
    "unblur.model.stages:Prior.enough": "stop_score",
    "unblur.model.stages:Prior.verdict": "blur_score",
    "unblur.numerics.camera.poses:PoseGrid.turned": "displacements",
    "unblur.numerics.camera.projection:pose_support.faint": "threshold",
    "unblur.numerics.camera.projection:project_kernels.faint": "threshold",
    "unblur.numerics.camera.projection:project_kernels.rounds": "n_fits",
    "unblur.numerics.fourier:apply_otf.count": "ndim",
    "unblur.numerics.fourier:fft.count": "ndim",
    "unblur.numerics.fourier:spatial_axes.count": "ndim",
    "unblur.numerics.metrics.fidelity:comparable.count": "ndim",
    "unblur.numerics.metrics.fidelity:inside.count": "ndim",
    "unblur.numerics.metrics.fidelity:psnr.count": "ndim",
    "unblur.numerics.metrics.fidelity:ssim.count": "ndim",
    "unblur.numerics.metrics.fidelity:ssim_map.count": "ndim",
    "unblur.numerics.operators:Blur.observing": "with_mask",
    "unblur.numerics.operators:gradient.count": "ndim",
    "unblur.numerics.operators:gradient_adjoint.count": "ndim",
    "unblur.numerics.psf.properties:PsfProperties.body": "support",
    "unblur.numerics.psf.properties:PsfProperties.reach": "half_width",
    "unblur.numerics.psf.properties:PsfProperties.rim": "border",
    "unblur.numerics.solvers:conjugate_gradient.count": "ndim",
    "unblur.numerics.solvers:conjugate_gradient.on_lengths": "on_coefficients",
    "unblur.numerics.solvers:inner.count": "ndim",
    "unblur.numerics.solvers:nonnegative_least_squares.pace": "lipschitz",
    "unblur.numerics.synthesis.camera_motion:camera_path.turn": "rotation_deg",
    "unblur.testing.law:Case.alike": "check_close",
    "unblur.testing.law:Case.settled": "calibrate",
}
"""Successors of attributes and methods of classes: `"module:Class.old": "new"`.

Keywords of functions have rows of the same form, `"module:function.old": "new"`.

They are read under the old name; a subclass that still defines the old one is given the new one;
a field of a dataclass can still be set under the old name when an object is made.
"""

PARAMS: dict[str, dict[str, str]] = {
    "camera-shake": {"scout": "local_estimator", "turn": "max_rotation_deg"},
    "dering": {"trust": "min_power"},
    "hyper-laplacian": {"mismatch": "model_error"},
    "kotera": {"smoothness": "tv_weight", "spread": "kernel_l2_weight"},
    "map": {
        "even": "whiten",
        "factors": "weight_factors",
        "faint": "threshold",
        "rounds": "restarts",
        "specks": "min_component_mass",
        "starts": "n_starts",
    },
    "points": {"fewest": "min_count"},
    "richardson-lucy": {"stop=consensus": "stop=gradient-consensus"},
    "schuler": {
        "area": "windows",
        "area=telling": "windows=textured",
        "area=whole": "windows=all",
    },
    "svmap": {"mismatch": "model_error"},
    "train schuler": {"plan=by-turn": "plan=by-iteration"},
    "train svmap": {"mistaken": "perturbed_kernels"},
    "tv": {"mismatch": "model_error"},
    "wiener": {"mismatch": "model_error"},
}
"""Successors of params, by the name of the stage: `{"stage": {"old": "new"}}`.

Those of a training stand under `train` and its name.

A renamed value of a param is written `{"param=old": "param=new"}`.
"""

REPORT_KEYS: dict[str, str] = {
    "kernel.where": "kernel.region",
    "mask.holes": "mask.nonfinite",
}
"""Successors of keys of the JSON report, levels joined by dots: `"mask.old": "mask.new"`."""

OPTIONS: dict[str, str] = {
    "--fill-holes": "--fill-nonfinite",
}
"""Successors of options of the command: `"--old": "--new"`."""

PRINTED_KEYS: dict[str, dict[str, str]] = {
    "run": {"account": "report"},
}
"""Successors of keys that a verb prints with `--json`, by the verb: `{"verb": {"old": "new"}}`.

The value is printed under both keys.
"""

LAWS: dict[str, str] = {
    "settling-changes-nothing": "calibration-changes-nothing",
    "verdict-ignores-contrast": "blur-score-ignores-contrast",
}
"""Successors of names of laws, as `exempt` of `unblur.testing.check_stage` takes them."""
