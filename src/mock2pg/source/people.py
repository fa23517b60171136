"""People who do not exist, for the recipes of a sample."""

from __future__ import annotations

from mimesis import Gender, Locale, Person

PEOPLE = 2_000
FAMILY_NAME_FIRST = (Locale.HU, Locale.JA, Locale.KO, Locale.ZH)
LOCALES = (
    Locale.EN, Locale.EL, Locale.PL, Locale.ZH, Locale.ES, Locale.AR_EG, Locale.UK, Locale.SV, Locale.JA, Locale.TR,
    Locale.EN_GB, Locale.KO, Locale.CS, Locale.FA, Locale.IS, Locale.KK, Locale.DE, Locale.RU, Locale.HU, Locale.PT,
)  # fmt: skip


def invented(seed: int) -> list[dict[str, object]]:
    """Invented people: number, name and a relative's name."""
    voices = [(Person(locale, seed=f"{seed}/{locale.value}"), locale in FAMILY_NAME_FIRST) for locale in LOCALES]
    people: list[dict[str, object]] = []
    for number in range(PEOPLE):
        voice, reverse = voices[number % len(voices)]
        name, relative = (
            voice.full_name(gender=voice.random.choice([Gender.FEMALE, Gender.MALE]), reverse=reverse) for _ in range(2)
        )
        people.append({"number": number, "name": name, "relative": relative})
    return people
