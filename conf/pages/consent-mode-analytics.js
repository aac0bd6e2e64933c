/* Sent to those only who have granted it. */
gtag('consent', 'update', { analytics_storage: 'granted' });
