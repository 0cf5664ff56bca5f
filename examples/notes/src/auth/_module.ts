import { module } from "bunbase";
import { login } from "./login.ts";
import { logout } from "./logout.ts";
import { me } from "./me.ts";
import { signup } from "./signup.ts";

export default module({
  name: "auth",
  apiPrefix: "/api/auth",
  actions: [signup, login, me, logout],
});
