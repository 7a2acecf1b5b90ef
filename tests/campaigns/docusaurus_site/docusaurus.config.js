// The site of a lighthouse that does not exist. Every feature that moves a URL is used once.
const path = require('path');

const baseUrl = process.env.HARROW_BASE_URL ?? '/point/';

/** @type {import('@docusaurus/types').Config} */
const config = {
  title: 'Harrow Point',
  url: 'https://harrow-point.example.org',
  baseUrl,
  trailingSlash: undefined,
  onBrokenLinks: 'ignore',
  onBrokenAnchors: 'ignore',
  // An author and a day for every page, without asking git.
  future: {experimental_vcs: 'hardcoded'},
  i18n: {
    defaultLocale: 'en',
    locales: ['en', 'fr'],
    localeConfigs: {fr: {label: 'Français', htmlLang: 'fr-FR'}},
  },
  plugins: [
    [
      'content-docs',
      /** @type {import('@docusaurus/plugin-content-docs').Options} */
      ({
        id: 'crew',
        path: 'crew',
        routeBasePath: 'people',
        numberPrefixParser: false,
        editUrl: ({docPath}) => `https://example.org/edit/${docPath}`,
      }),
    ],
    ['@docusaurus/plugin-content-blog', {id: 'log', path: 'log', routeBasePath: 'logbook'}],
  ],
  presets: [
    [
      'classic',
      {
        docs: {
          // routeBasePath: '/',
          exclude: ['**/_*.{js,jsx,ts,tsx,md,mdx}', '**/_*/**', '**/*.notes.md'],
          editUrl: 'https://example.org/edit/',
          showLastUpdateTime: true,
          showLastUpdateAuthor: true,
          versions: {
            current: {label: 'Unreleased'},
            '1.0': {path: 'first', label: '1.0 (old)', banner: 'none'},
          },
        },
        blog: {
          showReadingTime: true,
          onUntruncatedBlogPosts: 'ignore',
          onInlineAuthors: 'ignore',
        },
        sitemap: {lastmod: null},
      },
    ],
  ],
  // Whatever can stand around a page.
  themeConfig: {
    docs: {sidebar: {hideable: true}},
    announcementBar: {id: 'paint', content: 'The tower is closed while it is painted.'},
    navbar: {
      title: 'Harrow Point light station',
      items: [
        {to: '/docs', label: 'Handbook'},
        {to: '/blog', label: 'News from the gallery'},
        {type: 'docsVersionDropdown', position: 'right'},
        {type: 'localeDropdown', position: 'right'},
      ],
    },
    footer: {
      links: [
        {
          title: 'Elsewhere',
          items: [
            {label: 'Harbour office', href: 'https://example.org/harbour'},
            {label: 'Tide tables', href: 'https://example.org/tides'},
          ],
        },
      ],
      copyright: 'Kept by the keepers of Harrow Point.',
    },
  },
};

module.exports = config;
