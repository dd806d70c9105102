/** What this package throws: a stable dotted `code` and one sentence. A refused request is a verdict, never an error. */
export class ImagxpError extends Error {
  /** For example `usage.argument` or `identity.manifest_invalid`. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ImagxpError";
    this.code = code;
  }
}
