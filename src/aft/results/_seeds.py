"""How far an interval can be trusted."""

#: Intervals from fewer seeds are called rough.
FEWEST = 5


def seeds_phrase(count: int) -> str:
    """How many seeds an interval is from: ``5 seeds``, or ``3 seeds, rough``.

    Args:
        count: Number of seeds.
    """
    return f"{count} {'seed' if count == 1 else 'seeds'}" + (", rough" if count < FEWEST else "")
