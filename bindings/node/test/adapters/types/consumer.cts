import imagxp = require('imagxp')
import express = require('imagxp/express')
import fastify = require('imagxp/fastify')
import fetching = require('imagxp/fetch')
import hono = require('imagxp/hono')
import koa = require('imagxp/koa')

const policy = imagxp.Policy.fromJson({ version: 1, origins: ['https://pub.example'], purposes: {} })
const made = [express.imagxp({ policy }), hono.imagxp({ policy }), koa.imagxp({ policy }), fastify.imagxp]
const read = fetching.wrapFetch(fetch, { identity: imagxp.Identity.generate('bot.example.com'), purpose: 'SUMMARY' })
console.log(made, read)
