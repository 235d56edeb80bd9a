"""Lua, with luaunit, which MultiPL-E's tests are written for.

Those tests end with `os.exit(outcome)`: the outcome is looked at instead.
"""

from __future__ import annotations

import re

from ownlm.evaluate.runners.script import Script

_EXIT = re.compile(r"^os\.exit\((.*)\)\s*\Z", re.MULTILINE)


class Lua(Script):
    """Lua 5.4."""

    language = "lua"
    names = ("lua5.4",)
    packages = ("lua5.4", "lua-unit")
    tells = (("lua5.4", "-v"),)
    needs = ("/usr/share/lua/5.4/luaunit.lua",)
    file = "program.lua"
    command = ("lua5.4",)

    def text(self, text: str, nonce: str) -> str:
        """See `Script.text`."""
        ended = _EXIT.sub(
            lambda found: (
                f"do local outcome = {found[1]}; if outcome ~= 0 and outcome ~= true then os.exit(1) end end\n"
            ),
            text,
        )
        return f'os.remove(arg[0]); {ended}\nio.stdout:write("\\n", "{nonce}\\n"); io.stdout:flush()\n'
