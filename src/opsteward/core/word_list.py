"""Long lists of words, written as they are read."""


def words(text: str) -> list[str]:
    """The words between spaces and line ends."""
    return text.split()
