// Verdicts in the terminal: the latest ones and sums by code. Without a terminal, a line for each.

const SHOWN = 12
const WIDTHS = [5, 10, 24, 15, 22, 17]

export class Dashboard {
  #out
  #live
  #rows = []
  #sums = new Map()
  #drawn = 0

  constructor(title, out = process.stdout) {
    this.title = title
    this.#out = out
    this.#live = out.isTTY === true
    if (!this.#live) out.write(`${title}\n${HEAD}\n`)
  }

  /** Takes one verdict. */
  add(verdict, { method, target }) {
    const outcome = verdict.wouldDeny ? 'would deny' : verdict.outcome
    const who = verdict.agentId ?? verdict.visitor
    const row = [method, outcome, verdict.code ?? 'ok', verdict.purpose ?? '-', who, paid(verdict.payment), target].map(
      printable,
    )
    this.#sums.set(row[2], (this.#sums.get(row[2]) ?? 0) + 1)
    this.#rows = [...this.#rows, row].slice(-SHOWN)
    if (this.#live) this.#draw()
    else this.#out.write(`${line(row)}\n`)
  }

  /** How often each code came, `ok` for none. */
  get sums() {
    return Object.fromEntries(this.#sums)
  }

  #draw() {
    const width = this.#out.columns ?? 100
    const sums = [...this.#sums].map(([code, times]) => `${code} ${times}`).join('   ')
    const lines = [this.title, '', HEAD, ...this.#rows.map((row) => line(row, true)), '', sums]
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A\x1b[J` : ''
    this.#out.write(`${up}${lines.map((text) => cut(text, width)).join('\n')}\n`)
    this.#drawn = lines.length
  }
}

const HEAD = line(['', 'outcome', 'code', 'purpose', 'who', 'payment', 'target'])

function line(row, colours = false) {
  const [method, outcome, ...more] = row.map((text, at) => text.padEnd(WIDTHS[at] ?? 0))
  const colour = outcome.startsWith('allow') ? 32 : 31
  return [method, colours ? `\x1b[${colour}m${outcome}\x1b[0m` : outcome, ...more].join(' ').trimEnd()
}

function paid({ state, amount, currency }) {
  return amount === null || amount === undefined ? state : `${state} ${amount} ${currency ?? ''}`.trim()
}

/** Targets come from strangers, and a terminal obeys control characters. */
function printable(text) {
  return String(text).replace(/[^\x20-\x7e]/g, '?')
}

function cut(text, width) {
  return text.includes('\x1b') ? text.slice(0, width + 9) : text.slice(0, width)
}
