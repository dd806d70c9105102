// The built site, started for a test.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))

/** `next start`, with an origin and what it has said. */
export class StartedSite {
  log = ''
  #program

  /** Starts it on a port that was free a moment ago; on another one when somebody was quicker. */
  static async open(settings, attempts = 3) {
    const reserved = createServer().listen(0, '127.0.0.1')
    await once(reserved, 'listening')
    const { port } = reserved.address()
    reserved.close()
    await once(reserved, 'close')
    const site = new StartedSite(port, settings)
    if (await site.#isReady()) return site
    if (attempts > 1 && site.log.includes('EADDRINUSE')) return StartedSite.open(settings, attempts - 1)
    throw new Error(`next start has ended:\n${site.log}`)
  }

  constructor(port, settings) {
    this.origin = `http://127.0.0.1:${port}`
    const environment = {
      ...process.env,
      PUBLISHER_ORIGIN: this.origin,
      NEXT_TELEMETRY_DISABLED: '1',
      NODE_ENV: 'production',
      ...settings,
    }
    this.#program = spawn(
      process.execPath,
      ['node_modules/next/dist/bin/next', 'start', '--hostname', '127.0.0.1', '--port', String(port)],
      { cwd: folder, env: environment, stdio: ['ignore', 'pipe', 'pipe'] },
    )
  }

  async close() {
    this.#program.kill('SIGTERM')
    await once(this.#program, 'exit')
  }

  #isReady() {
    return new Promise((resolve) => {
      for (const stream of [this.#program.stdout, this.#program.stderr]) {
        stream.on('data', (chunk) => {
          this.log += chunk
          if (this.log.includes('Ready')) resolve(true)
        })
      }
      this.#program.once('exit', () => resolve(false))
    })
  }
}
