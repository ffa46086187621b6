"""Acceptance of the task `recipes`: each test names the requirement that it judges.

The module is imported inside the tests, so that one that cannot be imported fails tests and never the
collection.
"""

from typing import Any

import pytest

REFUSAL = ValueError
"""The task states the type alone, so there is no message to match."""


def new_book() -> Any:
    from recipes import RecipeBook

    return RecipeBook()


def kitchen() -> Any:
    """A book with three recipes."""
    book = new_book()
    book.add("Tea", {"water": 200, "leaves": 2}, ["Boil the water.", "Pour it."])
    book.add("Toast", {"bread": 2, "butter": 10}, ["Toast the bread."], servings=2)
    book.add("Bread pudding", {"bread": 5, "milk": 300}, ["Soak.", "Bake."], servings=4)
    return book


def test_requirement_1_a_recipe_is_added_once() -> None:
    book = new_book()

    assert book.add("Tea", {"water": 200}, ["Boil."]) is None
    with pytest.raises(REFUSAL):
        book.add("Tea", {"water": 1}, ["Freeze."])
    assert book.get("Tea")["ingredients"] == {"water": 200}


@pytest.mark.parametrize(
    ("title", "ingredients", "steps", "servings"),
    [
        ("", {"water": 1}, ["Boil."], 1),
        (" \t", {"water": 1}, ["Boil."], 1),
        ("Tea", {}, ["Boil."], 1),
        ("Tea", {"water": 1}, [], 1),
        ("Tea", {"water": 1}, ["Boil."], 0),
    ],
)
def test_requirement_2_half_a_recipe_is_refused(
    title: str, ingredients: dict[str, float], steps: list[str], servings: int
) -> None:
    book = new_book()

    with pytest.raises(REFUSAL):
        book.add(title, ingredients, steps, servings)
    assert book.titles() == []


def test_requirement_3_a_recipe_is_told_in_full() -> None:
    assert kitchen().get("Toast") == {
        "title": "Toast",
        "ingredients": {"bread": 2, "butter": 10},
        "steps": ["Toast the bread."],
        "servings": 2,
        "tags": [],
    }


def test_requirement_4_titles_are_in_alphabetical_order_and_counted() -> None:
    book = kitchen()

    assert book.titles() == ["Bread pudding", "Tea", "Toast"]
    assert (len(book), len(new_book())) == (3, 0)


def test_requirement_5_a_recipe_is_removed() -> None:
    book = kitchen()

    assert book.remove("Tea") is None
    assert book.titles() == ["Bread pudding", "Toast"]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("get", ()),
        ("remove", ()),
        ("tag", ("hot",)),
        ("scaled", (2,)),
        ("missing", ({},)),
        ("rate", (3,)),
        ("rating", ()),
    ],
)
def test_requirement_6_an_unknown_title_is_refused(method: str, arguments: tuple[Any, ...]) -> None:
    book = kitchen()

    with pytest.raises(KeyError):
        getattr(book, method)("Soup", *arguments)


def test_requirement_6_a_list_with_an_unknown_title_is_refused() -> None:
    book = kitchen()

    with pytest.raises(KeyError):
        book.shopping_list(["Tea", "Soup"])


def test_requirement_7_tags_are_small_sorted_and_there_once() -> None:
    book = kitchen()

    assert book.tag("Tea", "Warm") is None
    book.tag("Tea", "drink")
    book.tag("Tea", "warm")

    assert book.get("Tea")["tags"] == ["drink", "warm"]


def test_requirement_8_recipes_are_found_by_tag() -> None:
    book = kitchen()
    book.tag("Toast", "quick")
    book.tag("Tea", "Quick")

    assert book.with_tag("QUICK") == ["Tea", "Toast"]
    assert book.with_tag("qui") == []


def test_requirement_8_recipes_are_found_by_ingredient() -> None:
    book = kitchen()

    assert book.with_ingredient("Bread") == ["Bread pudding", "Toast"]
    assert book.with_ingredient("brea") == []


def test_requirement_9_amounts_are_scaled_and_the_recipe_stays() -> None:
    book = kitchen()

    assert book.scaled("Toast", 3) == {"bread": 3.0, "butter": 15.0}
    assert book.scaled("Bread pudding", 1) == {"bread": 1.25, "milk": 75.0}
    assert book.get("Toast")["ingredients"] == {"bread": 2, "butter": 10}


def test_requirement_9_no_servings_are_refused() -> None:
    book = kitchen()

    with pytest.raises(REFUSAL):
        book.scaled("Toast", 0)


def test_requirement_10_only_what_the_pantry_holds_in_full_can_be_cooked() -> None:
    book = kitchen()

    assert book.can_cook({"bread": 5, "milk": 300, "butter": 10}) == ["Bread pudding", "Toast"]
    assert book.can_cook({"water": 199, "leaves": 2}) == []
    assert book.can_cook({"water": 200, "leaves": 2}) == ["Tea"]


def test_requirement_11_the_rest_that_is_missing_is_told() -> None:
    book = kitchen()

    assert book.missing("Toast", {"bread": 1}) == {"bread": 1, "butter": 10}
    assert book.missing("Toast", {"bread": 2, "butter": 99}) == {}


def test_requirement_12_amounts_of_several_recipes_are_summed() -> None:
    book = kitchen()

    assert book.shopping_list(["Toast", "Bread pudding"]) == {"bread": 7, "butter": 10, "milk": 300}
    assert book.shopping_list(["Tea", "Tea"]) == {"water": 400, "leaves": 4}
    assert book.shopping_list([]) == {}


def test_requirement_13_the_rating_is_the_mean() -> None:
    book = kitchen()

    assert book.rating("Tea") is None
    assert book.rate("Tea", 5) is None
    book.rate("Tea", 2)
    assert book.rating("Tea") == 3.5


@pytest.mark.parametrize("stars", [0, 6, -1])
def test_requirement_13_a_rating_stays_within_its_range(stars: int) -> None:
    book = kitchen()

    with pytest.raises(REFUSAL):
        book.rate("Tea", stars)
    assert book.rating("Tea") is None


def test_requirement_14_the_best_come_first() -> None:
    book = kitchen()
    for title, stars in (("Toast", 4), ("Bread pudding", 4), ("Tea", 5)):
        book.rate(title, stars)

    assert book.best() == [("Tea", 5), ("Bread pudding", 4), ("Toast", 4)]
    assert book.best(limit=1) == [("Tea", 5)]


def test_requirement_14_unrated_recipes_are_left_out() -> None:
    book = kitchen()
    book.rate("Toast", 1)

    assert book.best() == [("Toast", 1)]


def test_requirement_15_titles_and_steps_are_searched() -> None:
    book = kitchen()

    assert book.search("BREAD") == ["Bread pudding", "Toast"]
    assert book.search("pour") == ["Tea"]
    assert book.search("butter") == []
