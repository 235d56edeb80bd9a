"""Right answers to five problems of MultiPL-E in every language, written for these tests.

23 length of a string, 35 largest number, 42 every number plus one, 45 area of a triangle, 53 sum of two.
Answers end before the stop, which the tests begin with where it is a brace. PHP has a strlen of its own: no answer to
23 passes there.
"""

from __future__ import annotations

SOLUTIONS: dict[str, dict[str, str]] = {
    "bash": {
        "23": "  echo ${#1}",
        "35": '  local best=""\n  for x in $1; do [[ -z "$best" || $x -gt $best ]] && best=$x; done\n  echo $best',
        "42": '  local out=()\n  for x in $1; do out+=($((x + 1))); done\n  echo "${out[@]}"',
        "45": '  awk -v a="$1" -v h="$2" "BEGIN { printf \\"%.1f\\", a * h / 2 }"',
        "53": "  echo $(($1 + $2))",
    },
    "cpp": {
        "23": "    return string.size();",
        "35": "    return *std::max_element(l.begin(), l.end());",
        "42": "    for (auto &x : l) x++;\n    return l;",
        "45": "    return a * h / 2.0f;",
        "53": "    return x + y;",
    },
    "csharp": {
        "23": "        return str.Length;",
        "35": "        return l.Max();",
        "42": "        return l.Select(x => x + 1).ToList();",
        "45": "        return a * h / 2.0f;",
        "53": "        return x + y;",
    },
    "d": {
        "23": "{\n    return string.length;\n}",
        "35": "{\n    long best = l[0];\n    foreach (x; l) if (x > best) best = x;\n    return best;\n}",
        "42": "{\n    long[] r;\n    foreach (x; l) r ~= x + 1;\n    return r;\n}",
        "45": "{\n    return a * h / 2.0f;\n}",
        "53": "{\n    return x + y;\n}",
    },
    "go": {
        "23": "    return len(myString)\n}\n",
        "35": "    m := l[0]\n    for _, x := range l { if x > m { m = x } }\n    return m\n}\n",
        "42": "    r := []int{}\n    for _, x := range l { r = append(r, x+1) }\n    return r\n}\n",
        "45": "    return float64(a*h) / 2\n}\n",
        "53": "    return x + y\n}\n",
    },
    "java": {
        "23": "        return string.length();",
        "35": "        return Collections.max(l);",
        "42": "        return new ArrayList<>(l.stream().map(x -> x + 1).collect(Collectors.toList()));",
        "45": "        return a * h / 2.0f;",
        "53": "        return x + y;",
    },
    "javascript": {
        "23": "  return string.length;\n}\n",
        "35": "  return Math.max(...l);\n}\n",
        "42": "  return l.map(x => x + 1);\n}\n",
        "45": "  return a * h / 2;\n}\n",
        "53": "  return x + y;\n}\n",
    },
    "lua": {
        "23": "  return #string\nend",
        "35": "  local best = l[1]\n  for _, x in ipairs(l) do if x > best then best = x end end\n  return best\nend",
        "42": "  local r = {}\n  for i, x in ipairs(l) do r[i] = x + 1 end\n  return r\nend",
        "45": "  return a * h / 2\nend",
        "53": "  return x + y\nend",
    },
    "perl": {
        "23": "    return length($string);\n}",
        "35": "    my $best = $l->[0];\n    for my $x (@$l) { $best = $x if $x > $best; }\n    return $best;\n}",
        "42": "    return [map { $_ + 1 } @$l];\n}",
        "45": "    return $a * $h / 2;\n}",
        "53": "    return $x + $y;\n}",
    },
    "php": {
        "35": "    return max($l);\n}\n",
        "42": "    return array_map(fn($x) => $x + 1, $l);\n}\n",
        "45": "    return $a * $h / 2.0;\n}\n",
        "53": "    return $x + $y;\n}\n",
    },
    "r": {
        "23": "    nchar(string)\n}",
        "35": "    max(l)\n}",
        "42": "    if (is.null(l)) NULL else l + 1\n}",
        "45": "    a * h / 2\n}",
        "53": "    x + y\n}",
    },
    "ruby": {
        "23": "  string.length\nend",
        "35": "  l.max\nend",
        "42": "  l.map { |x| x + 1 }\nend",
        "45": "  a * h / 2.0\nend",
        "53": "  x + y\nend",
    },
    "rust": {
        "23": "    string.len() as isize",
        "35": "    *l.iter().max().unwrap()",
        "42": "    l.iter().map(|x| x + 1).collect()",
        "45": "    (a * h) as f64 / 2.0",
        "53": "    x + y",
    },
    "scala": {
        "23": "        string.length.toLong",
        "35": "        l.max",
        "42": "        l.map(_ + 1)",
        "45": "        (a * h) / 2.0f",
        "53": "        x + y",
    },
    "typescript": {
        "23": "  return string.length;\n}\n",
        "35": "  return Math.max(...l);\n}\n",
        "42": "  return l.map(x => x + 1);\n}\n",
        "45": "  return a * h / 2;\n}\n",
        "53": "  return x + y;\n}\n",
    },
}
