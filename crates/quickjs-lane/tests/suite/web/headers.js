claim("names do not depend on case", () => new Headers({ "Content-Type": "a" }).get("content-TYPE") === "a");
claim("get of a missing name is null", () => new Headers().get("x") === null);
claim("append joins with a comma", () => {
  const headers = new Headers();
  headers.append("x", "1");
  headers.append("X", "2");
  return headers.get("x") === "1, 2";
});
claim("set replaces all", () => {
  const headers = new Headers([["x", "1"], ["x", "2"]]);
  headers.set("x", "3");
  return headers.get("x") === "3";
});
claim("delete removes", () => {
  const headers = new Headers({ x: "1" });
  headers.delete("X");
  return !headers.has("x");
});
claim("has tells", () => new Headers({ x: "" }).has("X") && !new Headers().has("x"));
claim("iteration is sorted and lower case", () => same([...new Headers({ B: "1", A: "2", C: "3" })], [["a", "2"], ["b", "1"], ["c", "3"]]));
claim("keys and values iterate", () => {
  const headers = new Headers({ b: "1", a: "2" });
  return same([...headers.keys()], ["a", "b"]) && same([...headers.values()], ["2", "1"]);
});
claim("set-cookie is several in iteration", () => {
  const headers = new Headers([["set-cookie", "a=1"], ["x", "y"], ["set-cookie", "b=2"]]);
  return same([...headers], [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x", "y"]]);
});
claim("getSetCookie gives the list", () => same(new Headers([["set-cookie", "a=1"], ["set-cookie", "b=2"]]).getSetCookie(), ["a=1", "b=2"]));
claim("getSetCookie without any is empty", () => same(new Headers().getSetCookie(), []));
claim("forEach gives value, name, headers", () => {
  const seen = [];
  const headers = new Headers({ x: "1" });
  headers.forEach((value, name, all) => seen.push(value, name, all === headers));
  return same(seen, ["1", "x", true]);
});
claim("a copy is independent", () => {
  const first = new Headers({ x: "1" });
  const copy = new Headers(first);
  copy.append("x", "2");
  return first.get("x") === "1" && copy.get("x") === "1, 2";
});
claim("made of any iterable of pairs", () => new Headers(new Map([["x", "1"]])).get("x") === "1");
claim("white space around a value goes", () => new Headers({ x: " \t1 2\r\n" }).get("x") === "1 2");
claim("values become strings", () => new Headers({ x: 7 }).get("x") === "7");
claim("a bad name throws", () => throws(() => new Headers({ "a b": "1" }), TypeError) && throws(() => new Headers().get(""), TypeError));
claim("a line break in a value throws", () => throws(() => new Headers({ x: "a\nb" }), TypeError));
claim("a value that is no Latin-1 throws", () => throws(() => new Headers({ x: "€" }), TypeError));
claim("a pair of three throws", () => throws(() => new Headers([["a", "b", "c"]]), TypeError));
claim("a string is no init", () => throws(() => new Headers("x"), TypeError));
claim("has a tag", () => String(new Headers()) === "[object Headers]");
