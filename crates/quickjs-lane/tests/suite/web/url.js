const all = new URL("https://user:pass@sub.example.com:8080/p/a/t/h?query=string#hash");
claim("has all parts", () => same(
  [all.href, all.origin, all.protocol, all.username, all.password, all.host, all.hostname, all.port, all.pathname, all.search, all.hash],
  ["https://user:pass@sub.example.com:8080/p/a/t/h?query=string#hash", "https://sub.example.com:8080", "https:", "user", "pass",
    "sub.example.com:8080", "sub.example.com", "8080", "/p/a/t/h", "?query=string", "#hash"],
));
claim("a base resolves", () => new URL("../c?d", "http://h/a/b/x").href === "http://h/a/c?d");
claim("a base can be a URL", () => new URL("/c", new URL("http://h/a")).href === "http://h/c");
claim("default ports go", () => new URL("https://h:443/").port === "");
claim("hosts are lower case", () => new URL("http://EXAMPLE.com").href === "http://example.com/");
claim("names become ASCII", () => new URL("http://münchen.de/").hostname === "xn--mnchen-3ya.de");
claim("dots resolve", () => new URL("http://h/a/./b/../c").pathname === "/a/c");
claim("spaces are encoded", () => new URL("http://h/a b?c d#e f").href === "http://h/a%20b?c%20d#e%20f");
claim("numbers are addresses", () => new URL("http://2130706433/").hostname === "127.0.0.1");
claim("IPv6 is compressed", () => new URL("http://[0:0:0:0:0:0:0:1]/").host === "[::1]");
claim("no URL throws TypeError", () => throws(() => new URL("nope"), TypeError) && throws(() => new URL("http://"), TypeError));
claim("canParse tells", () => URL.canParse("http://h") && !URL.canParse("nope") && URL.canParse("a", "http://h"));
claim("parse gives null", () => URL.parse("nope") === null && URL.parse("/a", "http://h").pathname === "/a");
claim("toString and toJSON are href", () => `${all}` === all.href && JSON.stringify({ all }) === `{"all":"${all.href}"}`);
claim("parts can be set", () => {
  const url = new URL("http://h/a");
  url.protocol = "https";
  url.host = "example.com:99";
  url.pathname = "/x y";
  url.search = "q=1";
  url.hash = "frag";
  url.username = "me";
  url.port = "100";
  return url.href === "https://me@example.com:100/x%20y?q=1#frag";
});
claim("a part that cannot be set stays", () => {
  const url = new URL("http://h:1/");
  url.port = "99999";
  url.host = "a b";
  return url.href === "http://h:1/";
});
claim("href that is none throws", () => throws(() => { new URL("http://h").href = "nope"; }, TypeError));
claim("searchParams change the URL", () => {
  const url = new URL("http://h/?a=1");
  url.searchParams.append("b", "x y");
  url.searchParams.set("a", "2");
  return url.href === "http://h/?a=2&b=x+y";
});
claim("search changes searchParams", () => {
  const url = new URL("http://h/?a=1");
  const params = url.searchParams;
  url.search = "?b=2";
  return params.get("a") === null && params.get("b") === "2" && url.searchParams === params;
});
claim("the last parameter takes the question mark along", () => {
  const url = new URL("http://h/?a=1");
  url.searchParams.delete("a");
  return url.href === "http://h/";
});
claim("params of a string", () => new URLSearchParams("?a=1&b=%20+c&a=2").getAll("a").join() === "1,2" && new URLSearchParams("b=%20+c").get("b") === "  c");
claim("params of pairs, of an object, of params", () => {
  const pairs = new URLSearchParams([["a", "1"], ["b", "2"]]);
  return `${pairs}` === "a=1&b=2" && `${new URLSearchParams({ c: 3 })}` === "c=3" && `${new URLSearchParams(pairs)}` === "a=1&b=2";
});
claim("params are encoded", () => `${new URLSearchParams({ "ä &": "=?/" })}` === "%C3%A4+%26=%3D%3F%2F");
claim("params has and delete look at values", () => {
  const params = new URLSearchParams("a=1&a=2");
  params.delete("a", "1");
  return params.has("a", "2") && !params.has("a", "1");
});
claim("params set keeps the first place", () => {
  const params = new URLSearchParams("a=1&b=2&a=3");
  params.set("a", "9");
  return `${params}` === "a=9&b=2";
});
claim("params sort is stable", () => {
  const params = new URLSearchParams("b=1&a=2&b=0");
  params.sort();
  return `${params}` === "a=2&b=1&b=0";
});
claim("params iterate and count", () => {
  const params = new URLSearchParams("a=1&b=2");
  const seen = [];
  params.forEach((value, name) => seen.push(name + value));
  return params.size === 2 && same([...params], [["a", "1"], ["b", "2"]]) && same([...params.keys()], ["a", "b"]) && same(seen, ["a1", "b2"]);
});
claim("half surrogates are replaced", () => `${new URLSearchParams({ a: "\ud800" })}` === "a=%EF%BF%BD");
claim("a pair of one throws", () => throws(() => new URLSearchParams([["a"]]), TypeError));
claim("tags", () => Object.prototype.toString.call(all) === "[object URL]" && Object.prototype.toString.call(all.searchParams) === "[object URLSearchParams]");
