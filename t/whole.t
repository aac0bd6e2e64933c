use v5.36;

# The configurations that a reader starts from, as they are printed: that of
# README.md, and conf/nginx.conf with its snippets. Only paths and ports are
# others. Whatever the pages link to is there, also for who has not answered.

use lib 't/lib';
use Test::More;
use ConsentGate::Test;

my $TOP = $ConsentGate::Test::ROOT;

# The application behind it, which knows of nothing.
my $APP = <<'END';
    server {
        listen 127.0.0.1:%%PORT_app%%;
        location / { default_type text/html; return 200 "app $uri"; }
    }
END

# In front of all: where nginx may write, and the standard database.
sub adapt ($t, $text, %paths) {
    for my $path (sort { length $b <=> length $a } keys %paths) {
        $text =~ s/\Q$path\E/$paths{$path}/g;
    }

    $text =~ s/^\s*(?:load_module|user|pid|worker_processes|error_log)\s.*$//mg;
    $text =~ s/^events \{.*?\}$/events { %%EVENTS%% }/ms;
    $text =~ s/^(?:\s*)access_log.*$//m;
    $text =~ s/^http \{$/http {\n%%HTTP%%\n%%REALIP%%\n$APP/m;

    return "%%MAIN%%\n$text";
}

sub whole ($t, $text, $name, @pages) {
    my $nginx = $t->nginx($text, name => $name);
    my $german = $t->browser('DE');

    my $r = $german->get('/a');
    is $r->status, 302, 'a German is asked';
    is $t->browser('US')->get('/a')->body, 'app /a', 'an American passes';

    for my $page (@pages) {
        $r = $german->get($page);
        is $r->status, 200, $page;

        my %links = map { $_ => 1 } grep { m{^/(?!/)} && !m{^/consent/} }
            $r->body =~ /(?:href|src)="([^"?]+)/g;

        for my $link (sort keys %links) {
            my $l = $german->get($link);
            next if $link eq '/';
            is $l->status, 200, "$page leads to $link";
            like $l->header('Content-Type'), qr{^text/css}, 'a style'
                if $link =~ /css$/;
        }
    }

    my ($token) = $german->get($pages[0])->body
        =~ /name="token" value="([^"]+)"/;
    my @documents = $german->get($pages[0])->body
        =~ /name="document" value="([^"]+)"/g;
    is $german->post('/consent/accept', [token => $token, return => '/a',
            document => \@documents])->status, 303, 'accepts';
    is $german->get('/a')->body, 'app /a', 'and comes back';

    return $german;
}


subtest 'README.md' => sub {
    my $t = ConsentGate::Test->new;
    my ($text) = slurp("$TOP/README.md") =~ /^```nginx\n(.*?)^```$/ms;

    whole($t, adapt($t, $text,
        '127.0.0.1:6379'                        => '%%REDIS%%; username gate;'
            . ' password_file %%PASSWORD%%',
        '127.0.0.1:3000'                        => '127.0.0.1:%%PORT_app%%',
        '/etc/nginx/consent/keys'               => '%%KEYS%%',
        '/var/lib/consent-gate/country.mmdb'    => '%%GEO%%',
        '/usr/share/consent-gate/pages'         => "$TOP/conf/pages",
        'listen        80;'                     => 'listen 127.0.0.1:%%PORT%%;',
    ), 'readme', '/policy-update', '/privacy-choices');

    $t->done;
};


subtest 'conf/nginx.conf' => sub {
    my $t = ConsentGate::Test->new;
    my $text = slurp("$TOP/conf/nginx.conf");

    # Snippets are read in, for what they name is elsewhere, too.
    1 while $text =~ s{^(?!\s*\#)(\s*)include\s+(snippets/[\w.-]+);}
        {slurp("$TOP/conf/$2")}gme;

    $text =~ s/listen\s+\[::\]:\d+[^;]*;//g;
    $text =~ s/listen\s+80;/listen 127.0.0.1:%%PORT_plain%%;/;
    $text =~ s/listen\s+443[^;]*;/listen 127.0.0.1:%%PORT%%;/;
    $text =~ s/ssl_\w+\s+[^;]+;//g;
    $text =~ s/server(\s+)127\.0\.0\.1:6379;/server$1%%REDIS%%;/;

    my $german = whole($t, adapt($t, $text,
        '/etc/nginx/consent/redis.pass'         => '%%PASSWORD%%',
        '/etc/nginx/consent/keys'               => '%%KEYS%%',
        '/var/lib/consent-gate/country.mmdb'    => '%%GEO%%',
        '/etc/nginx/consent/pages'              => "$TOP/conf/pages",
        '127.0.0.1:3000'                        => '127.0.0.1:%%PORT_app%%',
        'mime.types'                            => '/etc/nginx/mime.types',
    ), 'conf', '/policy-update', '/privacy-choices', '/age');

    is $german->get('/insights/x')->status, 403,
        'what needs a purpose is refused';
    my $r = $t->browser('DE')->get('/healthz');
    is $r->body, 'app /healthz', 'a health check passes';
    $r = $t->http->get('/gate-status', 'X-Real-IP' => '127.0.0.1');
    is $r->status, 200, 'this machine sees the status';
    is $t->browser('DE')->get('/gate-status')->status, 403, 'a visitor does not';
    like $t->http(port => $t->port('plain'))->get('/b')->location,
        qr{^https://example\.com/b$}, 'plain HTTP leads to TLS';

    $t->done;
};

done_testing;
