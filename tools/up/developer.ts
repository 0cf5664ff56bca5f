/** The developer's side of the API, as far as the demo needs it. */

export interface ProjectKeys {
  project: string;
  public_key: string;
  secret_key: string;
}

interface Project {
  id: string;
  name: string;
}

interface Account {
  email: string;
  password: string;
}

export class Developer {
  readonly #url: string;
  #cookie = "";

  constructor(url: string) {
    this.#url = url;
  }

  async setupComplete(): Promise<boolean> {
    const status = await this.#call<{ setup_complete: boolean }>("GET", "/v1/instance/status");
    return status.setup_complete;
  }

  /** Makes the first account; signed in afterwards. */
  async setUp(account: Account): Promise<void> {
    await this.#call("POST", "/v1/setup", { ...account, name: "Demo" });
  }

  async logIn(account: Account): Promise<void> {
    await this.#call("POST", "/v1/auth/login", account);
  }

  async projectsNamed(name: string): Promise<Project[]> {
    const { projects } = await this.#call<{ projects: Project[] }>("GET", "/v1/projects");
    return projects.filter((project) => project.name === name);
  }

  async createProject(name: string): Promise<ProjectKeys> {
    const created = await this.#call<{ project: Project; public_key: string; secret_key: string }>(
      "POST",
      "/v1/projects",
      { name },
    );
    const { project, public_key, secret_key } = created;
    return { project: project.id, public_key, secret_key };
  }

  async deleteProject(id: string): Promise<void> {
    await this.#call("DELETE", `/v1/projects/${id}`);
  }

  async #call<R = unknown>(method: string, path: string, body?: unknown): Promise<R> {
    const headers = { cookie: this.#cookie, "content-type": "application/json" };
    const init = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(this.#url + path, { method, headers, ...init });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    for (const cookie of response.headers.getSetCookie()) {
      if (cookie.startsWith("session_token=")) this.#cookie = cookie.split(";", 1)[0] ?? "";
    }
    return (text === "" ? undefined : JSON.parse(text)) as R;
  }
}
