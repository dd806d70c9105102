// Private instances of Redis and PostgreSQL in temporary folders, on Unix sockets, ended with the test.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, readdirSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { openSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Where a program is: in the path, or where Debian keeps those of PostgreSQL. */
function find(program) {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort().reverse() : []
  const folders = [...process.env.PATH.split(delimiter), ...versions.map((version) => join(debian, version, 'bin'))]
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path))
}

/** Why a database cannot be started, or `false`: what `test` takes as `skip`. On CI it must be there. */
export function missing() {
  const absent = ['redis-server', 'initdb', 'postgres'].filter((program) => find(program) === undefined)
  if (absent.length === 0) return false
  const reason = `SKIPPED: ${absent.join(', ')} not installed (scripts/services.sh setup)`
  assert.ok(process.env.CI === undefined, reason)
  return reason
}

class Database {
  constructor(folder, address, socket, command, signal) {
    Object.assign(this, { folder, address, socket, command, signal })
  }

  /** Starts it, on what it has kept. */
  async start() {
    const log = openSync(join(this.folder, 'log'), 'a')
    this.child = spawn(this.command[0], this.command.slice(1), { cwd: this.folder, stdio: ['ignore', log, log] })
    for (let tries = 0; !(await this.#answers()); tries += 1) {
      if (tries > 1000 || this.child.exitCode !== null) assert.fail(await readFile(join(this.folder, 'log'), 'utf8'))
      await sleep(20)
    }
    return this
  }

  async #answers() {
    const client = connect(this.socket)
    return new Promise((resolve) => {
      client.on('connect', () => resolve(true)).on('error', () => resolve(false))
    }).finally(() => client.destroy())
  }

  /** Ends it at once. */
  async crash() {
    const gone = once(this.child, 'exit')
    this.child.kill(this.signal)
    await gone
  }

  /** Connections stay open and nobody answers. */
  freeze(frozen) {
    this.child.kill(frozen ? 'SIGSTOP' : 'SIGCONT')
  }

  async end() {
    this.freeze(false)
    if (this.child.exitCode === null && this.child.signalCode === null) await this.crash()
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** An authority of one's own, and a certificate of it for `localhost` with its key: paths of PEM files. */
export function authority(folder) {
  const [ca, caKey, chain, key] = ['ca.pem', 'ca.key', 'chain.pem', 'key.pem'].map((name) => join(folder, name))
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const ofAuthority = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign']
  const ofServer = ['-addext', 'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=critical,CA:FALSE']
  for (const more of [
    ['-subj', '/CN=an authority', '-keyout', caKey, '-out', ca, ...ofAuthority],
    ['-subj', '/CN=localhost', '-keyout', key, '-out', chain, '-CA', ca, '-CAkey', caKey, ...ofServer],
  ]) {
    execFileSync('openssl', ['req', '-x509', ...fresh, ...more], { stdio: 'pipe' })
  }
  return { ca, chain, key }
}

/** A Redis that writes everything to its disk, with more options. */
export async function redis(...more) {
  const folder = await mkdtemp(join(tmpdir(), 'imagxp-redis-'))
  const socket = join(folder, 'redis.sock')
  const options = [
    '--port',
    '0',
    '--save',
    '',
    '--unixsocket',
    socket,
    '--appendonly',
    'yes',
    '--appendfsync',
    'always',
    ...more,
  ]
  const command = ['setpriv', '--pdeathsig=KILL', find('redis-server'), ...options]
  return new Database(folder, `redis+unix://${socket}`, socket, command, 'SIGKILL').start()
}

/** A PostgreSQL. */
export async function postgres() {
  const folder = await mkdtemp(join(tmpdir(), 'imagxp-postgres-'))
  const become = ['setpriv', '--pdeathsig=QUIT']
  // PostgreSQL refuses to run as root.
  if (process.geteuid() === 0) {
    const id = (...what) => Number(execFileSync('id', what, { encoding: 'utf8' }))
    const [uid, gid] = [id('-u', 'postgres'), id('-g', 'postgres')]
    chownSync(folder, uid, gid)
    become.push('--reuid', String(uid), '--regid', String(gid), '--clear-groups')
  }
  const data = join(folder, 'data')
  const create = [find('initdb'), '--auth=trust', '--username=postgres', '--no-sync', data]
  execFileSync(become[0], [...become.slice(1), ...create], { cwd: folder, stdio: 'pipe' })
  const options = ['-D', data, '-c', 'listen_addresses=', '-c', `unix_socket_directories=${folder}`]
  const command = [...become, find('postgres'), ...options, '-c', 'shared_buffers=16MB']
  const address = `host=${folder} user=postgres dbname=postgres`
  return new Database(folder, address, join(folder, '.s.PGSQL.5432'), command, 'SIGQUIT').start()
}
