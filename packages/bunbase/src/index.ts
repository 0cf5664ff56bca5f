export { Type as t } from "@sinclair/typebox";
