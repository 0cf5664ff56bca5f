/** What `bunbase typegen` fills in: names of actions, events and queues with their types. Empty, every name goes. */

/** `{ "tasks.create": { input: …; output: … } }` */
// biome-ignore lint/suspicious/noEmptyInterface: it is filled by declaration merging
export interface BunbaseActions {}
/** `{ "task.done": { id: string } }` */
// biome-ignore lint/suspicious/noEmptyInterface: it is filled by declaration merging
export interface BunbaseEvents {}
/** `{ "emails": { to: string } }` */
// biome-ignore lint/suspicious/noEmptyInterface: it is filled by declaration merging
export interface BunbaseQueues {}

/** The names that are known, or any where none is. */
type Known<Names> = keyof Names extends never ? string : keyof Names & string;

export type ActionName = Known<BunbaseActions>;
export type EventName = Known<BunbaseEvents>;
export type QueueName = Known<BunbaseQueues>;

export type ActionInput<N> = N extends keyof BunbaseActions
  ? BunbaseActions[N] extends { input: infer I }
    ? I
    : unknown
  : unknown;
export type ActionOutput<N> = N extends keyof BunbaseActions
  ? BunbaseActions[N] extends { output: infer O }
    ? O
    : unknown
  : unknown;
export type EventPayload<N> = N extends keyof BunbaseEvents ? BunbaseEvents[N] : unknown;
export type QueuePayload<N> = N extends keyof BunbaseQueues ? BunbaseQueues[N] : unknown;
