"""Twenty pairs that anyone would decide at once: a right, full answer against a wrong or empty-handed one."""

from __future__ import annotations

from handpicked.records import Pair

QUESTIONS = [
    (
        "What is the capital of France?",
        "The capital of France is Paris.",
        "Bananas grow on trees in warm countries.",
    ),
    ("How many days are in a week?", "A week has seven days.", "I do not want to talk about that."),
    ("What colour is a clear sky at noon?", "It is blue.", "The sky is a kind of bread."),
    ("Translate 'good morning' into Spanish.", "Buenos días.", "The weather in Spain is expensive."),
    ("What is 2 + 2?", "2 + 2 is 4.", "2 + 2 is a hundred."),
    ("Name a fruit that is yellow.", "A banana is a yellow fruit.", "A truck has four wheels."),
    ("Who wrote Romeo and Juliet?", "William Shakespeare wrote it.", "It was written by a refrigerator."),
    ("At what temperature does water boil at sea level?", "At 100 degrees Celsius.", "Water never boils."),
    ("What do bees make?", "Bees make honey.", "Bees make furniture for offices."),
    ("What is the opposite of hot?", "The opposite of hot is cold.", "Hot hot hot hot hot hot."),
    ("Which planet do we live on?", "We live on Earth.", "We live on a spoon."),
    ("How many legs does a spider have?", "A spider has eight legs.", "Spiders are a brand of shoes."),
    ("What is the first letter of the alphabet?", "The first letter is A.", "The first letter is seventeen."),
    (
        "What do plants need to grow?",
        "Plants need light, water and nutrients.",
        "Plants need a driving licence.",
    ),
    ("What language is spoken in Brazil?", "Portuguese is spoken in Brazil.", "Brazil is a colour."),
    ("What is the largest ocean?", "The Pacific Ocean is the largest.", "The largest ocean is my bathtub."),
    ("How many hours does a day have?", "A day has 24 hours.", "A day has no idea."),
    ("What is frozen water called?", "Frozen water is called ice.", "Frozen water is called Peter."),
    ("What animal says 'meow'?", "A cat says 'meow'.", "A bridge says 'meow'."),
    ("What do you use to write on paper?", "A pen or a pencil.", "An elephant and a cloud."),
]


def obvious_pairs() -> list[Pair]:
    """The good answer is ``a`` (arm ``good``) throughout."""
    return [
        Pair(f"obvious {i}", prompt, "good", "bad", good, bad, "obvious", None, good)
        for i, (prompt, good, bad) in enumerate(QUESTIONS)
    ]
