"""Params with effects switched off and on."""

from textsr.config.sections import Section, effect_fields


def without_effects(section: Section, **kept: dict[str, object]) -> Section:
    """Return `section` with every effect off but those `kept`, which get probability 1.

    `kept` gives the intervals of each by name.
    """
    update = {
        name: getattr(section, name).model_copy(
            update={"probability": 1.0, **kept[name]} if name in kept else {"probability": 0.0}
        )
        for name, _ in effect_fields(type(section))
    }
    return section.model_copy(update=update)
