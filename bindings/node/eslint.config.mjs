export default [
  {
    files: ['**/*.cjs', '**/*.js', '**/*.mjs', '../../tests/conformance/node/*.mjs'],
    languageOptions: { ecmaVersion: 2024, sourceType: 'module' },
    rules: {
      'array-callback-return': 'error',
      eqeqeq: 'error',
      'no-console': 'off',
      'no-constant-condition': 'error',
      'no-redeclare': 'error',
      'no-self-compare': 'error',
      'no-shadow': ['error', { allow: ['verify', 'feedback', 'publicKey', 'agent'] }],
      'no-undef-init': 'error',
      'no-unreachable': 'error',
      'no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' }],
      'no-var': 'error',
      'prefer-const': ['error', { ignoreReadBeforeAssign: true }],
    },
  },
  { files: ['**/*.cjs', '**/*.js'], languageOptions: { sourceType: 'commonjs' } },
]
