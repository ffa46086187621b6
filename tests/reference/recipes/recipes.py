"""A book of recipes: reference solution of the task `recipes`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean


@dataclass
class Recipe:
    """One recipe with what was noted of it."""

    title: str
    ingredients: dict[str, float]
    steps: list[str]
    servings: int
    tags: set[str] = field(default_factory=set)
    ratings: list[int] = field(default_factory=list)


class RecipeBook:
    """All recipes by their titles."""

    def __init__(self) -> None:
        self._recipes: dict[str, Recipe] = {}

    def __len__(self) -> int:
        return len(self._recipes)

    def add(
        self, title: str, ingredients: Mapping[str, float], steps: Sequence[str], servings: int = 1
    ) -> None:
        """Raises ValueError for half a recipe, or a title that is there."""
        if not title.strip() or not ingredients or not steps or servings < 1 or title in self._recipes:
            raise ValueError(f"{title!r} is no whole new recipe")
        self._recipes[title] = Recipe(title, dict(ingredients), list(steps), servings)

    def get(self, title: str) -> dict[str, object]:
        recipe = self._recipes[title]
        return {
            "title": title,
            "ingredients": dict(recipe.ingredients),
            "steps": list(recipe.steps),
            "servings": recipe.servings,
            "tags": sorted(recipe.tags),
        }

    def titles(self) -> list[str]:
        return sorted(self._recipes)

    def remove(self, title: str) -> None:
        del self._recipes[title]

    def tag(self, title: str, tag: str) -> None:
        self._recipes[title].tags.add(tag.lower())

    def with_tag(self, tag: str) -> list[str]:
        return sorted(title for title, recipe in self._recipes.items() if tag.lower() in recipe.tags)

    def with_ingredient(self, name: str) -> list[str]:
        return sorted(
            title
            for title, recipe in self._recipes.items()
            if name.lower() in {held.lower() for held in recipe.ingredients}
        )

    def scaled(self, title: str, servings: int) -> dict[str, float]:
        """Raises ValueError for less than one serving."""
        recipe = self._recipes[title]
        if servings < 1:
            raise ValueError(f"servings is {servings}, must be at least 1")
        return {name: amount * servings / recipe.servings for name, amount in recipe.ingredients.items()}

    def can_cook(self, pantry: Mapping[str, float]) -> list[str]:
        return [title for title in self.titles() if not self.missing(title, pantry)]

    def missing(self, title: str, pantry: Mapping[str, float]) -> dict[str, float]:
        wanted = self._recipes[title].ingredients
        return {
            name: amount - pantry.get(name, 0)
            for name, amount in wanted.items()
            if pantry.get(name, 0) < amount
        }

    def shopping_list(self, titles: Sequence[str]) -> dict[str, float]:
        total: Counter[str] = Counter()
        for title in titles:
            total.update(self._recipes[title].ingredients)  # type: ignore[arg-type]
        return dict(total)

    def rate(self, title: str, stars: int) -> None:
        """Raises ValueError unless stars is from 1 to 5."""
        recipe = self._recipes[title]
        if not 1 <= stars <= 5:
            raise ValueError(f"stars is {stars}, must be from 1 to 5")
        recipe.ratings.append(stars)

    def rating(self, title: str) -> float | None:
        ratings = self._recipes[title].ratings
        return fmean(ratings) if ratings else None

    def best(self, limit: int = 3) -> list[tuple[str, float]]:
        rated = [(title, fmean(recipe.ratings)) for title, recipe in self._recipes.items() if recipe.ratings]
        return sorted(rated, key=lambda pair: (-pair[1], pair[0]))[:limit]

    def search(self, text: str) -> list[str]:
        return sorted(
            title
            for title, recipe in self._recipes.items()
            if any(text.lower() in held.lower() for held in (title, *recipe.steps))
        )
