/** Seeds: what a database should hold before anybody uses it. Each runs once, in a transaction. */
import { createDB, type DatabaseClient, type HasExecutor } from "../db/client.ts";
import type { Database } from "../db/types.ts";
import { createIAMManager, type IAMManager } from "../iam/manager.ts";
import { Logger } from "../logger/logger.ts";

export interface SeedContext {
  /** Inside the transaction of the seed. */
  db: DatabaseClient<Database>;
  iam: IAMManager;
  logger: Logger;
}

export interface SeedDefinition {
  /** Unique; what says whether the seed has run. */
  name: string;
  run: (ctx: SeedContext) => Promise<void> | void;
  /** Lower ones first, then by name; 0 unless said. */
  order?: number;
}

export interface SeedReport {
  ran: string[];
  /** Those that had run before. */
  skipped: string[];
}

export interface SeedOptions {
  /** Runs seeds that have run before, too. */
  force?: boolean;
  /** Names of the only seeds to run. */
  only?: readonly string[];
}

/** Says that this is a seed; a file of a seeds directory exports it as its default. */
export function seed(definition: SeedDefinition): SeedDefinition {
  if (definition.name === "") throw new TypeError("a seed needs a name");
  return definition;
}

const TABLE =
  "CREATE TABLE IF NOT EXISTS _seeds (name TEXT PRIMARY KEY NOT NULL, ran_at BIGINT NOT NULL)";

interface Ledger {
  _seeds: {
    Row: { name: string; ran_at: number };
    Insert: { name: string; ran_at: number };
    Update: { ran_at?: number };
  };
}

export class Seeder {
  readonly #db: HasExecutor;
  readonly #seeds: readonly SeedDefinition[];
  readonly #logger: Logger;

  constructor(db: HasExecutor, seeds: readonly SeedDefinition[], logger: Logger = new Logger()) {
    const names = seeds.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) throw new TypeError(`there are two seeds named ${twice}`);
    this.#db = db;
    this.#seeds = seeds.toSorted(
      (a, b) => (a.order ?? 0) - (b.order ?? 0) || (a.name < b.name ? -1 : 1),
    );
    this.#logger = logger;
  }

  /** Stops at the first seed that fails; what ran before it stays. */
  async run({ force = false, only }: SeedOptions = {}): Promise<SeedReport> {
    const report: SeedReport = { ran: [], skipped: [] };
    await this.#db.executor.query(TABLE);
    for (const definition of this.#chosen(only)) {
      const list = (await this.#one(definition, force)) ? report.ran : report.skipped;
      list.push(definition.name);
    }
    return report;
  }

  #chosen(only: readonly string[] | undefined): readonly SeedDefinition[] {
    if (only === undefined) return this.#seeds;
    const unknown = only.find((name) => !this.#seeds.some((one) => one.name === name));
    if (unknown !== undefined) throw new TypeError(`there is no seed named ${unknown}`);
    return this.#seeds.filter(({ name }) => only.includes(name));
  }

  /** The row is written first: of two processes, the second waits for it, and then has nothing to do. */
  #one({ name, run }: SeedDefinition, force: boolean): Promise<boolean> {
    return createDB(this.#db.executor).transaction(async (tx) => {
      const row = { name, ran_at: Date.now() };
      const ledger = createDB<Ledger>(tx.executor).from("_seeds");
      const update = force ? (["ran_at"] as const) : [];
      const mine = await ledger.upsert(row, { onConflict: "name", update });
      if (mine === null) return false;
      const logger = this.#logger.child({ seed: name });
      await run({ db: tx, iam: createIAMManager(tx), logger });
      return true;
    });
  }
}
