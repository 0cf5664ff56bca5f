// The formats of JSON Schema that a string may name (JSON Schema Validation 2020-12 §7.3, and OpenAPI's). TypeBox knows
// none by itself: a schema that names one would refuse everything.

import { FormatRegistry } from "@sinclair/typebox";

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
// RFC 3339: the time has its zone.
const TIME = /^([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(z|[+-]([01]\d|2[0-3]):?[0-5]\d)$/i;
// As browsers check `<input type=email>` (HTML Standard, "valid email address"), with a domain of two labels.
const EMAIL =
  /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$/i;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;
const HOSTNAME =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function isDate(text: string): boolean {
  const parts = DATE.exec(text);
  if (parts === null) return false;
  const [year = 0, month = 0, day = 0] = parts.slice(1).map(Number);
  // The day 0 of the next month is the last of this one.
  return (
    month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate()
  );
}

function isDateTime(text: string): boolean {
  return isDate(text.slice(0, 10)) && /^[ t]$/i.test(text.charAt(10)) && TIME.test(text.slice(11));
}

/** Whether a text is an address with a scheme; `schemes` says which. */
function isUrl(text: string, schemes?: RegExp): boolean {
  return !/\s/.test(text) && URL.canParse(text) && (schemes?.test(text) ?? true);
}

const isAnything = (): boolean => true;

const FORMATS: Record<string, (text: string) => boolean> = {
  email: (text) => text.length <= 254 && EMAIL.test(text),
  uuid: (text) => UUID.test(text),
  date: isDate,
  time: (text) => TIME.test(text),
  "date-time": isDateTime,
  uri: (text) => isUrl(text),
  url: (text) => isUrl(text, /^https?:/i),
  hostname: (text) => HOSTNAME.test(text),
  ipv4: (text) => IPV4.test(text),
  ipv6: (text) => text.includes(":") && URL.canParse(`http://[${text}]/`),
  byte: (text) => BASE64.test(text),
  // These say how a value is shown, and hold for each.
  password: isAnything,
  binary: isAnything,
};

// What an application has set itself stays.
for (const [name, isValid] of Object.entries(FORMATS)) {
  if (!FormatRegistry.Has(name)) FormatRegistry.Set(name, isValid);
}

/** Throws where nobody has said what a format is: each value would be refused. */
export function expectFormat(name: string): void {
  if (FormatRegistry.Has(name)) return;
  const known = [...FormatRegistry.Entries().keys()].join(", ");
  throw new Error(
    `the format ${JSON.stringify(name)} is not known: set it with FormatRegistry.Set of @sinclair/typebox, or use one of ${known}`,
  );
}
