import { action, guards, triggers } from "bunbase";
import { Order, Receipt, receive } from "../../peers/actions/order.ts";

export default action(
  {
    name: "orders",
    input: Order,
    output: Receipt,
    guards: [guards.authenticated()],
    triggers: [triggers.api("POST", "/api/orders")],
  },
  async (order) => receive(order),
);
