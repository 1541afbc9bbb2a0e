"""Which version of something a request was made from, so that nobody's change is lost."""

import re
from typing import Annotated

from fastapi import Depends, Header, HTTPException


async def _version(
    if_match: Annotated[str | None, Header(description="The ETag of what you have read.")] = None,
) -> int:
    if if_match is None:
        raise HTTPException(428, "Say in If-Match which version you have read: its ETag.")
    found = re.fullmatch(r'"([0-9]{1,9})"', if_match.strip())
    if found is None:
        raise HTTPException(412, 'If-Match is no ETag of this: it is one such as "3", in quotes.')
    return int(found[1])


IfMatch = Annotated[int, Depends(_version)]
"""Ask for it in a route that changes something: `version: IfMatch`. Answers tell it as
`ETag: "<version>"`; without If-Match the answer is 428, and an error that is `Stale` is a 412."""
