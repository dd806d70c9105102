export function GET() {
  return new Response('User-agent: *\nAllow: /\n')
}
