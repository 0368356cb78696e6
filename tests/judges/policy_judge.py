#!/usr/bin/env python3
"""A second evaluator of release policies, written from the grammar and the rules of comparison, judges ours.

Random policies and claims go to the program of tests/azure/policy_eval.c; verdict, authority and the list of what
failed must be those found here. Run by meson, or: POLICY_EVAL=build/tests/policy_eval policy_judge.py
"""
import json
import os
import random
import subprocess
import sys
import tempfile
from decimal import Decimal

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", os.path.join(tempfile.gettempdir(), "hypothesis"))
try:
    import pytest
    from hypothesis import HealthCheck, given, settings, strategies as st
except ImportError as missing:
    print("SKIPPED:", missing)
    sys.exit(77)

MISSING = object()
OPERATORS = ["equals", "notEquals", "less", "lessOrEquals", "greater", "greaterOrEquals", "exists"]
INT64 = range(-2**63, 2**63)


# ---------------------------------------------------------------- the judge's own evaluator
class NotAPolicy(Exception):
    pass


def real_text(x):
    """Fewest digits that give x again; integers as such; C's %g layout for the rest."""
    if x == int(x) and abs(x) < 2**63:
        return str(int(x))
    sign, digits, exponent = Decimal(repr(x)).normalize().as_tuple()
    point = len(digits) + exponent - 1  # the exponent in scientific notation
    text = "".join(map(str, digits))
    if -4 <= point < len(digits):
        whole, rest = (text[:point + 1], text[point + 1:]) if point >= 0 else ("0", "0" * (-point - 1) + text)
        text = whole + ("." + rest if rest else "")
    else:
        text = text[0] + ("." + text[1:] if len(text) > 1 else "") + "e%+03d" % point
    return ("-" if sign else "") + text


def text_of(value):
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    return real_text(value) if isinstance(value, float) else None


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def holds(operator, required, actual):
    if operator == "exists":
        return (required in (True, "true")) == (actual is not MISSING)
    if actual is MISSING:
        return False
    same = text_of(actual) is not None and text_of(actual) == text_of(required)
    if operator in ("equals", "notEquals"):
        return same == (operator == "equals")
    if not (is_number(actual) and is_number(required)):
        return False
    return {"less": actual < required, "lessOrEquals": actual <= required,
            "greater": actual > required, "greaterOrEquals": actual >= required}[operator]


def find(claims, name):
    if not isinstance(claims, dict):
        return MISSING
    if name in claims:
        return claims[name]
    head, dot, rest = name.partition(".")
    return find(claims[head], rest) if dot and head in claims else MISSING


def folded(node, allowed):
    """The members by lower-case name."""
    if not isinstance(node, dict):
        raise NotAPolicy
    out = {}
    for name, value in node.items():
        if name.lower() in out or name.lower() not in allowed:
            raise NotAPolicy
        out[name.lower()] = value
    return out


def group_of(node):
    kinds = [k for k in ("anyof", "allof") if k in node]
    if len(kinds) != 1 or not isinstance(node[kinds[0]], list) or not node[kinds[0]]:
        raise NotAPolicy
    return kinds[0], node[kinds[0]]


def leaf_of(node):
    node = folded(node, {"claim", "condition", "value", *map(str.lower, OPERATORS)})
    claim = node.pop("claim", None)
    if not isinstance(claim, str) or not claim:
        raise NotAPolicy
    if set(node) == {"condition", "value"}:
        operator, value = node["condition"], node["value"]
    elif len(node) == 1:
        (operator, value), = node.items()
    else:
        raise NotAPolicy
    known = {o.lower(): o for o in OPERATORS}
    if not isinstance(operator, str) or operator.lower() not in known:
        raise NotAPolicy
    operator = known[operator.lower()]
    if text_of(value) is None:
        raise NotAPolicy
    if operator == "exists" and (is_number(value) or text_of(value) not in ("true", "false")):
        raise NotAPolicy
    return claim, operator, value


def failures(node, claims):
    """What keeps a condition from holding: an empty list means that it holds."""
    if isinstance(node, dict) and any(k.lower() in ("anyof", "allof") for k in node):
        kind, members = group_of(folded(node, {"anyof", "allof"}))
        return failures_of_group(kind, members, claims)
    claim, operator, required = leaf_of(node)
    actual = find(claims, claim)
    if holds(operator, required, actual):
        return []
    return [{"claim": claim, "required": required if operator == "equals" else {operator: required},
             "actual": None if actual is MISSING else actual}]


def failures_of_group(kind, members, claims):
    each = [failures(m, claims) for m in members]
    if kind == "anyof" and not all(each):
        return []
    return [f for one in each for f in one]


def unslashed(url):
    return url[:-1] if url.endswith("/") else url


def evaluate(policy, claims):
    top = folded(policy, {"version", "anyof"})
    if not isinstance(top.get("version", ""), str):
        raise NotAPolicy
    names, judged = [], []
    for node in group_of(top)[1]:
        node = folded(node, {"authority", "anyof", "allof"})
        name = node.get("authority")
        if not isinstance(name, str) or not name:
            raise NotAPolicy
        if name not in names:
            names.append(name)
        failed = failures_of_group(*group_of(node), claims)
        iss = claims.get("iss")
        if isinstance(iss, str) and unslashed(iss) == unslashed(name):
            judged.append((name, failed))
    for name, failed in judged:
        if not failed:
            return {"ok": True, "satisfied": True, "failed": None, "authority": name}
    if judged:
        return {"ok": True, "satisfied": False, "failed": judged[0][1], "authority": judged[0][0]}
    required = names[0] if len(names) == 1 else names
    return {"ok": True, "satisfied": False, "authority": None,
            "failed": [{"claim": "iss", "required": required, "actual": claims.get("iss")}]}


# ---------------------------------------------------------------- asking ours
def as_parsed(value, reals):
    """As a parser without big integers sees a document: one too large makes all of them reals."""
    if isinstance(value, dict):
        return {k: as_parsed(v, reals) for k, v in value.items()}
    if isinstance(value, list):
        return [as_parsed(v, reals) for v in value]
    return float(value) if reals and isinstance(value, int) and not isinstance(value, bool) else value


def has_big(value):
    if isinstance(value, dict):
        return any(map(has_big, value.values()))
    if isinstance(value, list):
        return any(map(has_big, value))
    return isinstance(value, int) and value not in INT64


def wanted(policy, claims):
    reals = has_big(policy) or has_big(claims)
    try:
        return evaluate(as_parsed(policy, reals), as_parsed(claims, reals))
    except NotAPolicy:
        return {"ok": False}


def same(a, b):
    """Equal also in type: Python takes True for 1 and 1 for 1.0."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def compare(policy, claims, got):
    want = wanted(policy, claims)
    if not want["ok"]:
        got = {"ok": got["ok"]}
    assert same(got, want), "policy %s\nclaims %s\nours   %s\njudge  %s" % tuple(
        map(json.dumps, (policy, claims, got, want)))
    return want


class Ours:
    def __init__(self):
        self.p = subprocess.Popen([os.environ["POLICY_EVAL"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.out = os.fdopen(os.dup(self.p.stdout.fileno()), "rb")

    def ask(self, policy, claims):
        self.p.stdin.write(json.dumps({"policy": policy, "claims": claims}).encode() + b"\n")
        return json.loads(self.out.readline())


@pytest.fixture(scope="module")
def ours():
    o = Ours()
    yield o
    o.p.stdin.close()
    assert o.p.wait(10) == 0


# ---------------------------------------------------------------- what is asked
NAMES = ["a", "b", "a.b", "a.b.c", "b.c", "a.", ".a", "x-ms-vmpl", "x-ms-x.y", "none", "iss"]
SCALARS = ["", "0", "1", "1.0", "true", "false", "True", "null", "x", "X", "\u00e9", "1e+20", "0.1", "-1", 0, 1, -1, 7,
           2**53, 2**53 + 1, 2**63 - 1, -2**63, 10**15, "1000000000000000", "1e+15", True,
           False, 0.0, -0.0, 1.0, 0.1, 1.5, 1e15, 1e16, 1e20, 1e-5, 1e300, 123456.789, float(2**53), float(2**63)]
ISSUERS = ["https://a.attest.azure.net", "https://a.attest.azure.net/", "https://a.attest.azure.net//",
           "https://b.attest.azure.net"]
CONTAINERS = [None, {}, [], [0], ["x"], {"a": 1}]


def spelled(draw, word):
    """Keywords come in any case, mostly in the usual one."""
    n = draw(8)
    return word if n else draw([word.lower(), word.upper(), word.capitalize()])


def make_leaf(draw):
    claim, operator = draw(NAMES), draw(OPERATORS[:1] * 6 + OPERATORS)
    value = draw([True, False, "true", "false"]) if operator == "exists" else draw(SCALARS)
    if draw(6):
        return {spelled(draw, "claim"): claim, spelled(draw, operator): value}
    return {spelled(draw, "claim"): claim, spelled(draw, "condition"): spelled(draw, operator),
            spelled(draw, "value"): value}


def make_group(draw, depth):
    members = [make_condition(draw, depth - 1) for _ in range(1 + draw(3))]
    return spelled(draw, draw(["anyOf", "allOf"])), members


def make_condition(draw, depth):
    if depth > 0 and not draw(3):
        return dict([make_group(draw, depth)])
    return make_leaf(draw)


def make_policy(draw):
    authorities = []
    for _ in range(1 + draw(3)):
        kind, members = make_group(draw, 3)
        authorities.append({spelled(draw, "authority"): draw(ISSUERS), kind: members})
    policy = {spelled(draw, "anyOf"): authorities}
    if draw(2):
        policy[spelled(draw, "version")] = draw(["1.0.0", "1.0", "0.2", ""])
    if not draw(6):
        spoil(draw, policy)
    return policy


def spoil(draw, policy):
    """Something at some place becomes something else: mostly no policy any more."""
    nodes, todo = [], [policy]
    while todo:
        node = todo.pop()
        nodes.append(node)
        todo += [v for v in (node.values() if isinstance(node, dict) else node) if isinstance(v, (dict, list))]
    node = draw(nodes)
    value = draw(CONTAINERS + SCALARS)
    if isinstance(node, list):
        node[draw(len(node))] = value
    else:
        node[draw(["claim", "equals", "less", "EXISTS", "condition", "value", "anyOf", "ALLOF", "authority",
                   "version", "x"])] = value
        if draw(2):
            node.pop(draw(sorted(node)))


def make_claims(draw, depth=2):
    claims = {}
    for _ in range(draw(7)):
        kind = draw(6)
        value = make_claims(draw, depth - 1) if not kind and depth else draw(CONTAINERS) if kind == 1 else draw(SCALARS)
        claims[draw(NAMES + ["a", "b", "c", ""])] = value
    if depth == 2 and draw(12):
        claims["iss"] = draw(ISSUERS)
    return claims


def drawer(rng):
    return lambda x: rng.randrange(x) if isinstance(x, int) else rng.choice(x)


def aim(draw, policy, claims):
    """Random claims rarely meet a policy: half of the time some leaf's claim is set to what it asks for."""
    todo = [policy]
    while todo:
        node = todo.pop()
        if isinstance(node, list):
            todo += node
        elif isinstance(node, dict):
            low = {k.lower(): v for k, v in node.items()}
            if isinstance(low.get("claim"), str) and draw(3):
                claims[low["claim"]] = low.get("equals", low.get("value", 0))
            todo += [v for v in node.values() if isinstance(v, (dict, list))]


def make_case(draw):
    policy, claims = make_policy(draw), make_claims(draw)
    if draw(2):
        aim(draw, policy, claims)
    return policy, claims


def kind_of(verdict):
    if not verdict["ok"]:
        return "no policy"
    if verdict["satisfied"]:
        return "satisfied"
    if verdict["authority"] is None:
        return "no authority"
    return "failed" if len(verdict["failed"]) == 1 else "several failed"


def test_random_policies(ours):
    """4,000 cases of a fixed seed; each kind of outcome must really occur."""
    rng = random.Random(2024)
    seen = {"no policy": 0, "satisfied": 0, "no authority": 0, "failed": 0, "several failed": 0}
    for _ in range(4000):
        policy, claims = make_case(drawer(rng))
        want = compare(policy, claims, ours.ask(policy, claims))
        seen[kind_of(want)] += 1
    print(seen)
    assert min(seen.values()) > 100, seen


reals = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.integers(-2**63, 2**63 - 1) | st.integers(0, 2**70) | reals | st.integers(-3, 3)
texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=4)
scalars = st.booleans() | numbers | texts


@st.composite
def near_pairs(draw):
    """Two values that may well have the same text."""
    a = draw(scalars)
    t = text_of(a)
    return a, draw(st.sampled_from([a, t, t.upper(), t + "0", t.lstrip("-")]) | scalars)


@settings(max_examples=500, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(near_pairs(), st.sampled_from(OPERATORS[:-1]))
def test_any_two_values(ours, pair, operator):
    required, actual = pair
    policy = {"anyOf": [{"authority": "i", "allOf": [{"claim": "c", operator: required}]}]}
    claims = {"iss": "i", "c": actual}
    compare(policy, claims, ours.ask(policy, claims))


@settings(max_examples=250, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_shrinkable_policies(ours, rng):
    """The same cases again, driven by hypothesis: a difference is reported in its smallest form."""
    policy, claims = make_case(drawer(rng))
    compare(policy, claims, ours.ask(policy, claims))


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-q", "-rP", "-p", "no:cacheprovider", *sys.argv[1:]]))
