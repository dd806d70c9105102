"""The project's settings. What is yours comes from the command line: `scrapy crawl articles -a url=… -s IMAGXP_AGENT_ID=…`."""

BOT_NAME = "example-reader"
USER_AGENT = "example-reader/1.0 (+https://bot.example.com/about)"
SPIDER_MODULES = ["reader.spiders"]

ROBOTSTXT_OBEY = True
DOWNLOADER_MIDDLEWARES = {"imagxp.scrapy.ImagxpMiddleware": 950}
IMAGXP_PURPOSE = "RAG_RETRIEVAL"
IMAGXP_CAPS = [{"currency": "EUR", "per_request": "0.05", "per_day": "0.10", "total": "10"}]
IMAGXP_WALLET_FILE = "spend.json"

AUTOTHROTTLE_ENABLED = True
AUTOTHROTTLE_START_DELAY = 0.05
CONCURRENT_REQUESTS_PER_DOMAIN = 1
LOG_LEVEL = "WARNING"
TELNETCONSOLE_ENABLED = False
