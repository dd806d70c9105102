"""The guide's configurations, as they run on this machine."""

import re

from instance import ROOT, SNIPPETS

PAGE = ROOT / "docs" / "guide-nginx.md"


def blocks(page, language):
    """What a page has in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


TOML, PAID = blocks(PAGE, "toml")


def placed(text, world, logs):
    """A configuration with this world's folders in place of the machine's."""
    for theirs, ours in (
        ("/etc/nginx/imagxp", world.folder),
        ("/etc/nginx/snippets", SNIPPETS),
        ("/var/log/nginx", logs),
        ("/var/www/html", world.folder / "html"),
    ):
        text = text.replace(theirs, str(ours))
    return text
