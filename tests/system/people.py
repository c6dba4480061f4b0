"""People who label on a real server: users with a session each, who take what the labeling stream hands them."""

from __future__ import annotations

import re
import uuid
from typing import Any

import httpx

from canonry.demo.label_studio_server import Server


class Person:
    """A user who followed the owner's invitation and is logged in."""

    def __init__(self, server: Server) -> None:
        owner = {"Authorization": f"Token {server.api_key}"}
        invitation = httpx.get(f"{server.url}/api/invite", headers=owner).raise_for_status().json()["invite_url"]
        self._session = httpx.Client(base_url=server.url, timeout=60, headers={"Referer": server.url})
        form = self._session.get(invitation).raise_for_status().text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert token is not None
        email = f"person-{uuid.uuid4().hex[:8]}@canonry.invalid"
        fields = {"csrfmiddlewaretoken": token[1], "email": email, "password": uuid.uuid4().hex}
        self._session.post(invitation, data={**fields, "allow_newsletters": "false"})
        self.user_id = int(self._session.get("/api/current-user/whoami").raise_for_status().json()["id"])

    def next_task(self, project_id: int) -> dict[str, Any] | None:
        """What the labeling stream hands this person, or None where there is nothing left."""
        answer = self._session.get(f"/api/projects/{project_id}/next")
        return None if answer.status_code == 404 else answer.raise_for_status().json()

    def answer(self, task_id: int, result: list[dict[str, Any]]) -> None:
        """Submit an answer to a task."""
        headers = {"X-CSRFToken": self._session.cookies["csrftoken"]}
        path = f"/api/tasks/{task_id}/annotations"
        self._session.post(path, json={"result": result}, headers=headers).raise_for_status()

    def label_everything(self, project_id: int, result: list[dict[str, Any]]) -> set[str]:
        """Answer whatever the stream hands out, until it has nothing more; returns the items."""
        items: set[str] = set()
        while task := self.next_task(project_id):
            assert task["data"]["item_id"] not in items, "the stream handed out an item twice"
            self.answer(task["id"], result)
            items.add(task["data"]["item_id"])
        return items
