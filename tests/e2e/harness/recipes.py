"""The recipes of docs/RULES.md, word for word: what a reader copies is what the tests run."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[3]
TITLE = re.compile(r"^## (\d+)\. (.+)$", re.M)
FENCED = re.compile(r"^```cfg\n(.*?)^```$", re.M | re.S)


class Recipe:
    def __init__(self, number, title, text):
        self.number, self.title, self.text = number, title, text
        blocks = FENCED.findall(text)
        self.rules = "".join(block for block in blocks if block.startswith("{"))
        self.settings = "".join(block for block in blocks if not block.startswith("{"))

    def lists(self):
        """The files that its settings name."""
        return re.findall(r'= "([a-z_]+\.list)"', self.settings)

    def __repr__(self):
        return f"{self.number}. {self.title}"


def all_recipes():
    text = (ROOT / "docs" / "RULES.md").read_text()
    parts = TITLE.split(text)[1:]
    return [Recipe(int(n), title, body) for n, title, body in zip(parts[::3], parts[1::3], parts[2::3])]


def recipe(number):
    return next(r for r in all_recipes() if r.number == number)


def write(r, folder, base="", entries=""):
    """A settings file with this recipe's rules behind `base`, and its lists with these entries; returns its path."""
    for name in r.lists():
        (folder / name).write_text(entries)
    path = folder / "smtpguardd.cfg"
    path.write_text(f"{base}{r.settings}rules = (\n{r.rules});\n")
    return path
