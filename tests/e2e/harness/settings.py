"""Settings files from Python values: dict = group, list = array, tuple = list, str, int, float, bool."""


def value(v):
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, (int, float)):
        return str(v)
    if isinstance(v, str):
        return '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(v, dict):
        return "{ " + " ".join(f"{k} = {value(x)};" for k, x in v.items()) + " }"
    brackets = "()" if isinstance(v, tuple) else "[]"
    return brackets[0] + ", ".join(value(x) for x in v) + brackets[1]


def text(settings):
    return "".join(f"{name} = {value(v)};\n" for name, v in settings.items())


def merged(base, changes):
    """base with changes on top; groups are merged, everything else is replaced."""
    result = dict(base)
    for name, change in changes.items():
        both = isinstance(change, dict) and isinstance(result.get(name), dict)
        result[name] = merged(result[name], change) if both else change
    return result
