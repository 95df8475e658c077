"""Conduit end to end: every endpoint of the API, its shape, and its refusals."""

from __future__ import annotations

from typing import Any

import pytest
from app_driver import Driver

from clef_sim.requests import load_requests
from scenarios.apps.conduit import ROUTES, app
from scenarios.apps.conduit.concepts.token import sign

USER = {"email": str, "token": str, "username": str, "bio": str, "image": str}
PROFILE = {"username": str, "bio": str, "image": str, "following": bool}
LISTED = {
    "slug": str,
    "title": str,
    "description": str,
    "tagList": list,
    "createdAt": str,
    "updatedAt": str,
    "favorited": bool,
    "favoritesCount": int,
    "author": PROFILE,
}
ARTICLE = {**LISTED, "body": str}
COMMENT = {"id": int, "body": str, "createdAt": str, "updatedAt": str, "author": PROFILE}


def check(value: Any, shape: Any) -> None:
    """The fields that the API names, all of them, of their types, and no others."""
    if isinstance(shape, dict):
        assert value.keys() == shape.keys()
        for field in shape:
            check(value[field], shape[field])
    else:
        assert type(value) is shape


def sign_up(driver: Driver, name: str) -> str:
    body = {"user": {"username": name, "email": f"{name}@x.test", "password": f"secret of {name}"}}
    answer = driver.ask("POST", "/users", body)
    assert answer.status == 201, answer
    token: str = answer.body["user"]["token"]
    return token


def write(driver: Driver, token: str, title: str, tags: list[str] | None = None) -> str:
    article: dict[str, Any] = {"title": title, "description": "d", "body": "b"}
    answer = driver.ask("POST", "/articles", {"article": article | ({"tagList": tags} if tags else {})}, token)
    assert answer.status == 201, answer
    slug: str = answer.body["article"]["slug"]
    return slug


@pytest.fixture
def driver() -> Driver:
    return Driver(app)


@pytest.fixture
def ann(driver: Driver) -> str:
    return sign_up(driver, "ann")


@pytest.fixture
def bob(driver: Driver) -> str:
    return sign_up(driver, "bob")


def refusal(driver: Driver, status: int, *request: Any) -> list[str]:
    answer = driver.ask(*request)
    assert answer.status == status, answer
    errors: list[str] = answer.body["errors"]["body"]
    assert errors
    assert all(isinstance(each, str) for each in errors)
    return errors


# ---- users


def test_register_new_user_is_answered_with_a_token_that_works(driver: Driver) -> None:
    body = {"user": {"username": "ann", "email": "ann@x.test", "password": "long enough"}}
    answer = driver.ask("POST", "/users", body)
    assert answer.status == 201
    check(answer.body, {"user": USER})
    again = driver.ask("GET", "/user", None, answer.body["user"]["token"])
    assert (again.status, again.body) == (200, answer.body)
    assert "long enough" not in str(driver.rows("Password"))


def test_register_in_another_order_of_the_flow_is_answered_alike() -> None:
    driver = Driver(app, last_first=True)
    sign_up(driver, "ann")
    assert driver.count("Web", "respond") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"username": "bob"}, "email has already been taken"),
        ({"email": "other@x.test"}, "username has already been taken"),
        ({"username": " "}, "username can't be blank"),
        ({"email": None}, "email can't be blank"),
        ({"email": 7}, "email can't be blank"),
        ({"username": "new", "email": "x" * 200}, "email is too long"),
        ({"password": "short"}, "password is too short (minimum is 8 characters)"),
        ({"password": None}, "password can't be blank"),
    ],
)
def test_register_unacceptable_user_is_refused(
    driver: Driver, ann: str, change: dict[str, Any], message: str
) -> None:
    body = {"user": {"username": "ann", "email": "ann@x.test", "password": "long enough", **change}}
    assert refusal(driver, 422, "POST", "/users", body) == [message]
    assert len(driver.rows("User")) == 1


@pytest.mark.parametrize("body", [None, {}, [], "x", {"user": None}, {"user": []}])
def test_register_and_login_without_a_user_are_refused(driver: Driver, body: Any) -> None:
    refusal(driver, 422, "POST", "/users", body)
    refusal(driver, 422, "POST", "/users/login", body)


def test_login_right_password_is_answered_with_the_user(driver: Driver, ann: str) -> None:
    answer = driver.ask("POST", "/users/login", {"user": {"email": "ann@x.test", "password": "secret of ann"}})
    assert answer.status == 200
    check(answer.body, {"user": USER})
    assert driver.ask("GET", "/user", None, answer.body["user"]["token"]).status == 200


@pytest.mark.parametrize(
    ("email", "password", "status"),
    [
        ("ann@x.test", "wrong", 401),
        ("eve@x.test", "secret of ann", 401),
        ("e" * 500, "secret of ann", 401),
        ("", "secret of ann", 422),
        ("ann@x.test", "", 422),
        ("ann@x.test", None, 422),
    ],
)
def test_login_wrong_credentials_are_refused(
    driver: Driver, ann: str, email: str, password: str | None, status: int
) -> None:
    refusal(driver, status, "POST", "/users/login", {"user": {"email": email, "password": password}})


def test_every_protected_route_without_a_valid_token_is_refused(driver: Driver, ann: str) -> None:
    protected = [route for route in ROUTES if route.name not in OPEN]
    assert len(protected) == 12
    expired = sign("anyone", 0)
    for route in protected:
        path = route.template.format(username="ann", slug="s", id="1") if "{" in route.template else route.template
        for token in (None, "nonsense", "a.b.c", ann[:-2] + "xx", expired):
            refusal(driver, 401, route.method, path, {}, token)
    for path in ("/articles", "/articles/s", "/articles/s/comments", "/profiles/ann"):
        refusal(driver, 401, "GET", path, None, "nonsense")


OPEN = (*("register", "login", "get_profile", "list_articles", "get_article", "list_comments", "get_tags"),)


def test_update_user_changes_what_is_given_and_leaves_the_rest(driver: Driver, ann: str) -> None:
    change = {"bio": "I write", "username": "anna", "password": "new password"}
    answer = driver.ask("PUT", "/user", {"user": change}, ann)
    assert answer.status == 200
    check(answer.body, {"user": USER})
    shown = answer.body["user"]
    assert (shown["bio"], shown["username"], shown["email"]) == ("I write", "anna", "ann@x.test")
    assert driver.ask("GET", "/user", None, ann).body == answer.body
    login = {"email": "ann@x.test", "password": "new password"}
    assert driver.ask("POST", "/users/login", {"user": login}).status == 200
    assert driver.ask("GET", "/profiles/anna").body["profile"]["bio"] == "I write"
    refusal(driver, 404, "GET", "/profiles/ann")
    sign_up(driver, "ann2")
    assert driver.ask("PUT", "/user", {"user": {"username": "ann"}}, ann).status == 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"username": "bob"}, "username has already been taken"),
        ({"email": "bob@x.test"}, "email has already been taken"),
        ({"username": ""}, "username can't be blank"),
        ({"password": "short"}, "password is too short (minimum is 8 characters)"),
        ({}, "user can't be empty"),
    ],
)
def test_update_user_unacceptable_change_is_refused(
    driver: Driver, ann: str, bob: str, change: dict[str, Any], message: str
) -> None:
    before = driver.ask("GET", "/user", None, ann)
    assert refusal(driver, 422, "PUT", "/user", {"user": change}, ann) == [message]
    assert driver.ask("GET", "/user", None, ann) == before


def test_token_of_a_user_who_is_gone_is_refused(driver: Driver) -> None:
    token = sign("gone", 4_000_000_000)
    refusal(driver, 401, "GET", "/user", None, token)
    refusal(driver, 401, "PUT", "/user", {"user": {"bio": "b"}}, token)


# ---- profiles


def test_follow_then_unfollow_shows_in_the_profile_of_that_viewer(driver: Driver, ann: str, bob: str) -> None:
    def following(token: str | None) -> bool:
        answer = driver.ask("GET", "/profiles/bob", None, token)
        assert answer.status == 200
        check(answer.body, {"profile": PROFILE})
        return bool(answer.body["profile"]["following"])

    assert not following(ann)
    answer = driver.ask("POST", "/profiles/bob/follow", None, ann)
    assert answer.status == 200
    check(answer.body, {"profile": PROFILE})
    assert answer.body["profile"]["following"] is True
    assert (following(ann), following(bob), following(None)) == (True, False, False)
    answer = driver.ask("DELETE", "/profiles/bob/follow", None, ann)
    assert (answer.status, answer.body["profile"]["following"], following(ann)) == (200, False, False)


def test_profile_unknown_name_is_not_found(driver: Driver, ann: str) -> None:
    refusal(driver, 404, "GET", "/profiles/eve")
    refusal(driver, 404, "POST", "/profiles/eve/follow", None, ann)
    refusal(driver, 404, "DELETE", "/profiles/" + "e" * 2000 + "/follow", None, ann)
    refusal(driver, 422, "POST", "/profiles/ann/follow", None, ann)


# ---- articles


def test_create_article_is_answered_in_the_shape_of_the_api(driver: Driver, ann: str) -> None:
    article = {"title": "How to train", "description": "Ever?", "body": "Yes", "tagList": ["b", "a", "b", 3]}
    answer = driver.ask("POST", "/articles", {"article": article}, ann)
    assert answer.status == 201
    check(answer.body, {"article": ARTICLE})
    shown = answer.body["article"]
    assert (shown["slug"], shown["tagList"], shown["favoritesCount"]) == ("how-to-train", ["b", "a"], 0)
    assert shown["author"]["username"] == "ann"
    read = driver.ask("GET", "/articles/how-to-train")
    assert (read.status, read.body) == (200, answer.body)


def test_create_article_of_the_same_title_gets_a_slug_of_its_own(driver: Driver, ann: str) -> None:
    slugs = [write(driver, ann, "Same title") for _ in range(3)]
    assert slugs[0] == "same-title"
    assert len(set(slugs)) == 3
    assert [driver.ask("GET", f"/articles/{slug}").status for slug in slugs] == [200] * 3
    assert write(driver, ann, "Ünïcode  & co!") == "unicode-co"
    assert write(driver, ann, "日本語") == "article"
    assert len(write(driver, ann, "long " * 500)) <= 100


@pytest.mark.parametrize("body", [None, {}, {"article": {}}, {"article": {"title": "t", "body": "b"}}])
def test_create_article_without_its_parts_is_refused(driver: Driver, ann: str, body: Any) -> None:
    assert "description can't be blank" in refusal(driver, 422, "POST", "/articles", body, ann)
    assert driver.rows("Article") == []


def test_update_article_title_moves_it_to_a_new_slug(driver: Driver, ann: str, bob: str) -> None:
    slug = write(driver, ann, "Old title", ["kept"])
    answer = driver.ask("PUT", f"/articles/{slug}", {"article": {"title": "New title"}}, ann)
    assert answer.status == 200
    check(answer.body, {"article": ARTICLE})
    shown = answer.body["article"]
    assert (shown["slug"], shown["body"], shown["tagList"]) == ("new-title", "b", ["kept"])
    assert shown["updatedAt"] > shown["createdAt"]
    refusal(driver, 404, "GET", "/articles/old-title")
    assert write(driver, bob, "Old title") == "old-title"
    refusal(driver, 422, "PUT", "/articles/new-title", {"article": {"body": ""}}, ann)
    refusal(driver, 403, "PUT", "/articles/new-title", {"article": {"body": "c"}}, bob)
    refusal(driver, 404, "PUT", "/articles/none", {"article": {"body": "c"}}, ann)


def test_delete_article_takes_what_belonged_to_it_along(driver: Driver, ann: str, bob: str) -> None:
    slug = write(driver, ann, "Gone", ["only-here", "shared"])
    write(driver, ann, "Stays", ["shared"])
    driver.ask("POST", f"/articles/{slug}/comments", {"comment": {"body": "c"}}, bob)
    driver.ask("POST", f"/articles/{slug}/favorite", None, bob)
    refusal(driver, 403, "DELETE", f"/articles/{slug}", None, bob)
    answer = driver.ask("DELETE", f"/articles/{slug}", None, ann)
    assert (answer.status, answer.body) == (204, None)
    refusal(driver, 404, "GET", f"/articles/{slug}")
    refusal(driver, 404, "DELETE", f"/articles/{slug}", None, ann)
    assert driver.ask("GET", "/tags").body == {"tags": ["shared"]}
    assert (driver.rows("Comment"), driver.rows("Favorite"), len(driver.rows("Tag"))) == ([], [], 1)


def listed(driver: Driver, path: str, token: str | None = None) -> tuple[list[str], int]:
    answer = driver.ask("GET", path, None, token)
    assert answer.status == 200, answer
    assert answer.body.keys() == {"articles", "articlesCount"}
    for article in answer.body["articles"]:
        check(article, LISTED)
    return [article["slug"] for article in answer.body["articles"]], answer.body["articlesCount"]


def test_list_articles_filters_and_pages_newest_first(driver: Driver, ann: str, bob: str) -> None:
    for name, token, tags in (("a1", ann, ["x"]), ("a2", ann, ["x", "y"]), ("b1", bob, ["x"]), ("b2", bob, [])):
        write(driver, token, name, tags)
    driver.ask("POST", "/articles/a2/favorite", None, bob)
    assert listed(driver, "/articles") == (["b2", "b1", "a2", "a1"], 4)
    assert listed(driver, "/articles?limit=1&offset=1") == (["b1"], 4)
    assert listed(driver, "/articles?tag=x") == (["b1", "a2", "a1"], 3)
    assert listed(driver, "/articles?tag=x&author=ann") == (["a2", "a1"], 2)
    assert listed(driver, "/articles?favorited=bob") == (["a2"], 1)
    assert listed(driver, "/articles?favorited=bob&tag=none") == ([], 0)
    assert listed(driver, "/articles?author=eve") == ([], 0)
    assert listed(driver, "/articles?favorited=eve") == ([], 0)
    mine = {one["slug"]: one for one in driver.ask("GET", "/articles", None, bob).body["articles"]}
    assert (mine["a2"]["favorited"], mine["a2"]["favoritesCount"]) == (True, 1)
    assert (mine["a1"]["favorited"], mine["a2"]["tagList"]) == (False, ["x", "y"])


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=-1", "offset=-1", "offset=1.5", "limit=9e9"])
def test_list_articles_impossible_page_is_refused(driver: Driver, ann: str, query: str) -> None:
    refusal(driver, 422, "GET", f"/articles?{query}")
    refusal(driver, 422, "GET", f"/articles/feed?{query}", None, ann)


def test_feed_holds_the_articles_of_followed_users_only(driver: Driver, ann: str, bob: str) -> None:
    write(driver, ann, "own")
    write(driver, bob, "first")
    write(driver, bob, "second")
    assert listed(driver, "/articles/feed", ann) == ([], 0)
    driver.ask("POST", "/profiles/bob/follow", None, ann)
    assert listed(driver, "/articles/feed?limit=1", ann) == (["second"], 2)
    answer = driver.ask("GET", "/articles/feed", None, ann)
    assert all(article["author"]["following"] for article in answer.body["articles"])
    shown = [driver.ask("GET", "/articles/first", None, token).body["article"] for token in (ann, bob)]
    assert [article["author"]["following"] for article in shown] == [True, False]


# ---- comments and favourites


def test_comments_are_added_listed_and_deleted_by_their_author(driver: Driver, ann: str, bob: str) -> None:
    slug = write(driver, ann, "Talk")
    path = f"/articles/{slug}/comments"
    answer = driver.ask("POST", path, {"comment": {"body": "first"}}, bob)
    assert answer.status == 200
    check(answer.body, {"comment": COMMENT})
    driver.ask("POST", path, {"comment": {"body": "second"}}, ann)
    driver.ask("POST", "/profiles/bob/follow", None, ann)
    read = driver.ask("GET", path, None, ann).body["comments"]
    for comment in read:
        check(comment, COMMENT)
    assert [comment["body"] for comment in read] == ["first", "second"]
    assert [comment["author"]["following"] for comment in read] == [True, False]
    number = answer.body["comment"]["id"]
    refusal(driver, 403, "DELETE", f"{path}/{number}", None, ann)
    assert driver.ask("DELETE", f"{path}/{number}", None, bob).status == 204
    refusal(driver, 404, "DELETE", f"{path}/{number}", None, bob)
    assert len(driver.ask("GET", path).body["comments"]) == 1


def test_comments_impossible_requests_are_refused(driver: Driver, ann: str) -> None:
    slug, other = write(driver, ann, "Talk"), write(driver, ann, "Other")
    path = f"/articles/{slug}/comments"
    for body in (None, {"comment": {"body": " "}}, {"comment": {"body": 5}}):
        refusal(driver, 422, "POST", path, body, ann)
    refusal(driver, 404, "GET", "/articles/none/comments")
    refusal(driver, 404, "POST", "/articles/none/comments", {"comment": {"body": "c"}}, ann)
    refusal(driver, 404, "DELETE", "/articles/none/comments/1", None, ann)
    refusal(driver, 404, "DELETE", f"{path}/nonsense", None, ann)
    number = driver.ask("POST", path, {"comment": {"body": "c"}}, ann).body["comment"]["id"]
    refusal(driver, 404, "DELETE", f"/articles/{other}/comments/{number}", None, ann)


def test_favorite_counts_each_user_once(driver: Driver, ann: str, bob: str) -> None:
    slug = write(driver, ann, "Liked")
    path = f"/articles/{slug}/favorite"
    for _ in range(2):
        answer = driver.ask("POST", path, None, bob)
    assert answer.status == 200
    check(answer.body, {"article": ARTICLE})
    assert (answer.body["article"]["favorited"], answer.body["article"]["favoritesCount"]) == (True, 1)
    assert driver.ask("GET", f"/articles/{slug}", None, ann).body["article"]["favorited"] is False
    answer = driver.ask("DELETE", path, None, bob)
    assert (answer.status, answer.body["article"]["favoritesCount"]) == (200, 0)
    refusal(driver, 404, "POST", "/articles/none/favorite", None, bob)
    refusal(driver, 404, "DELETE", "/articles/none/favorite", None, bob)


def test_tags_are_listed_once_each(driver: Driver, ann: str) -> None:
    assert driver.ask("GET", "/tags").body == {"tags": []}
    write(driver, ann, "one", ["b", "a"])
    write(driver, ann, "two", ["b"])
    answer = driver.ask("GET", "/tags")
    assert (answer.status, answer.body) == (200, {"tags": ["a", "b"]})


# ---- the request set


EXPECTED = {"register": 201, "create_article": 201, "login_wrong": 401, "get_unknown": 404, "no_token": 401}


def test_requests_are_all_answered_as_they_are_meant(driver: Driver) -> None:
    requests = load_requests("scenarios.requests.conduit")
    for setup in requests.setup:
        for request in setup.requests():
            answer = driver.send(request)
            assert answer, request
            assert answer.status in (200, 201), (request, answer)
    for template in requests.templates:
        for n in (0, 1, 25, 400):
            answer = driver.send(template.at(n))
            assert answer, template.name
            assert answer.status == EXPECTED.get(template.name, 200), (template.name, n, answer)


def test_syncs_are_many_and_each_has_a_purpose(driver: Driver) -> None:
    assert len(driver.index.programs) >= 40
    assert [name for name, program in driver.index.programs.items() if not program.sync.purpose] == []
