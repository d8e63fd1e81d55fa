"""The settings of a prediction as the page's controls hold them, and back."""

from typing import Literal, NamedTuple

from wsfcn.config import PRESETS, PredictSettings, preset_settings

SCALES = ("0.5", "0.75", "1.0", "1.25", "1.5", "2.0")
"""Views that can be ticked."""

Background = Literal["the network's own", "a constant", "from the objects (CRF)"]
"""Where the background's mask comes from; the last is `background_power`."""

POWER = 5.0
"""The background's power, as published."""


class Choices(NamedTuple):
    """One value a control."""

    preset: str
    scales: list[str]
    flip: bool
    refine: str
    class_cut: float
    background: str
    constant: float
    """The background's value where it is a constant."""


def choices_of(preset: str) -> Choices:
    """What the controls show for a preset. Raises SettingError."""
    settings = preset_settings(preset)
    background: Background = "the network's own"
    if settings.background_power is not None:
        background = "from the objects (CRF)"
    elif settings.background is not None:
        background = "a constant"
    return Choices(
        preset,
        [str(scale) for scale in settings.scales],
        settings.flip,
        settings.refine,
        settings.class_cut,
        background,
        settings.background if settings.background is not None else 0.25,
    )


def settings_of(choices: Choices) -> PredictSettings:
    """The settings that the controls ask for. Raises SettingError.

    The background from the objects needs the CRF; without it, it is the constant.

    >>> settings_of(choices_of("published")) == PRESETS["published"]
    True
    """
    from_objects = choices.background == "from the objects (CRF)"
    own = choices.background == "the network's own"
    return preset_settings(
        choices.preset,
        # In the preset's order, since sums of floats depend on it.
        scales=ordered(choices.scales, PRESETS[choices.preset].scales),
        flip=choices.flip,
        refine=choices.refine,
        class_cut=choices.class_cut,
        background=None if own else choices.constant,
        background_power=POWER if from_objects else None,
    )


def ordered(chosen: list[str], first: tuple[float, ...]) -> tuple[float, ...]:
    """The scales that are ticked, those of the preset first and in its order.

    >>> ordered(["0.5", "1.0", "2.0"], (1.0, 0.5))
    (1.0, 0.5, 2.0)
    """
    scales = [float(scale) for scale in chosen]
    return (*(s for s in first if s in scales), *(s for s in sorted(scales) if s not in first))
