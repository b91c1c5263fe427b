"""Functions that an ISSUER setting names."""

from __future__ import annotations

from typing import Any

NOT_CALLABLE = "https://issuer.example"


def customers(iss: str) -> bool:
    return iss.startswith("https://customer-")


def everybody(iss: str) -> bool:
    return True


class Customers:
    def __call__(self, iss: str) -> bool:
        return customers(iss)


def failing(iss: str) -> bool:
    raise OSError("the list of customers is gone")


def nothing(iss: str) -> Any:
    return None


def number(iss: str) -> Any:
    return 1


async def asynchronous(iss: str) -> bool:
    return True


class AsyncCustomers:
    async def __call__(self, iss: str) -> bool:
        return True


async_customers = AsyncCustomers()


def coroutine(iss: str) -> Any:
    return asynchronous(iss)
