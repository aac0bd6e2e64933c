use v5.36;

# A real browser on the real page: to it, through it, and back to where the
# visitor was going. Without a script, and by the keyboard alone.

use lib 't/lib';
use Test::More;
use ConsentGate::Chromium;
use ConsentGate::Test;

plan skip_all => 'no chromium and chromium-driver'
    if !ConsentGate::Chromium->available;

my $t = ConsentGate::Test->new;

$t->page('index.html', '<title>Home</title>home');
$t->page('course.html', '<title>Course</title><img src=a.png>course');
$t->page('policy-update.html',
    slurp("$ConsentGate::Test::ROOT/conf/pages/policy-update.html"));
$t->redis;
$t->publish(
    terms   => { version => 20180525, required => 20180525,
        url => '/index.html' },
    privacy => { version => 7, required => 7, url => '/index.html' },
    cookies => { version => 3, required => 3, url => '/index.html' },
);

$t->nginx(<<'CONF');
    %%CONSENT%%
    map $host $country_of_host {
        ~^germany   DE;
        ~^iceland   IS;
        ~^america   US;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        consent_gate on;
        consent_country $country_of_host;
        location / { }
        location = /policy-update {
            ssi on;
            default_type text/html;
            alias %%ROOT%%/policy-update.html;
        }
        location = /consent.css {
            consent_gate off;
            default_type text/css;
            alias %%TOP%%/conf/pages/consent.css;
        }
        location /consent/ { consent_api; }
    }
CONF

my $port = $t->port;
sub chromium (%options) {
    return $t->chromium(%options);
}

# A click begins to navigate and does not wait for it.
sub at ($c, $what, $name) {
    wait_for(sub { path($c) eq $what }, 10);
    return is path($c), $what, $name;
}

sub path ($c) { return $c->url =~ s{^http://[^/]+}{}r }

my @BOXES = map { "#$_" } qw(terms privacy cookies);
my $ACCEPT = 'button[form=answer]';


for my $host ('germany.localhost', 'iceland.test') {
    subtest "there and back on $host" => sub {
        my $c = chromium(javascript => 0);

        $c->go("http://$host:$port/course.html?part=2&x=a%20b");
        like $c->url, qr{/policy-update\?return=/course\.html%3F},
            'is sent to the page';
        is scalar(grep { $c->checked($_) } @BOXES), 0, 'nothing is ticked';

        my ($narrow, $wide) = ($c->element($ACCEPT, 'rect'),
            $c->element('form:not(#answer) button', 'rect'));
        cmp_ok abs($narrow->{width} - $wide->{width}), '<', 2,
            'to accept and to decline are of one size';
        is $narrow->{height}, $wide->{height}, 'in both directions';

        $c->click($_) for @BOXES;
        $c->click($ACCEPT);
        at $c, '/course.html?part=2&x=a%20b', 'comes back after accepting';
        ok wait_for(sub { $c->title eq 'Course' }), 'to what was asked for';

        $c->go("http://$host:$port/");
        is $c->title, 'Home', 'and is not asked again';

        $c->go("http://$host:$port/policy-update");
        is scalar(() = $c->find($ACCEPT)), 0, 'nothing to accept any more';
    };
}


subtest 'from outside' => sub {
    my $c = chromium();
    $c->go("http://america.localhost:$port/");
    is $c->title, 'Home', 'the page that was asked for';
    is scalar @{ $c->session('GET', '/cookie') }, 0, 'and no cookie';
};


subtest 'declining' => sub {
    my $c = chromium(javascript => 0);
    $c->go("http://germany.test:$port/course.html");
    $c->click('form:not(#answer) button');
    ok wait_for(sub { $c->find('[role=alert], [role=status]') || 
        $c->script('return document.body.innerText') =~ /declined/i }),
        'is told on the page';
    like $c->url, qr{/policy-update\?}, 'which it leads back to';
    $c->go("http://germany.test:$port/course.html");
    like $c->url, qr{/policy-update\?}, 'and is an answer that holds';
    $c->click($_) for @BOXES;
    $c->click($ACCEPT);
    at $c, '/course.html', 'until another one is given';
};


subtest 'by the keyboard alone' => sub {
    my $c = chromium(javascript => 0);
    $c->go("http://germany.test:$port/");

    for my $box (@BOXES) {
        for (1 .. 40) {
            $c->keys("\t");
            last if $c->session('GET', '/element/active')
                ->{+ConsentGate::Chromium::ELEMENT} eq ($c->find($box))[0];
        }
        $c->keys(' ');
        ok $c->checked($box), "$box is reached and ticked";
    }

    for (1 .. 40) {
        $c->keys("\t");
        last if $c->session('GET', '/element/active')
            ->{+ConsentGate::Chromium::ELEMENT} eq ($c->find($ACCEPT))[0];
    }
    $c->keys("\n");
    ok wait_for(sub { $c->title eq 'Home' }), 'and sent';
};


subtest 'with cookies switched off' => sub {
    my $c = chromium(cookies => 0);
    $c->go("http://germany.test:$port/");
    $c->click($_) for @BOXES;
    $c->click($ACCEPT);
    at $c, '/consent/accept', 'there is no loop';
    ok wait_for(sub { $c->find('[role=alert]') }), 'but a message';
    like $c->text('[role=alert]'), qr/cookie/i, 'that says so';
};


subtest 'on a narrow screen' => sub {
    my $c = chromium();
    $c->narrow;
    $c->go("http://germany.localhost:$port/");
    is $c->script('return document.documentElement.scrollWidth'), 320,
        '320 px are enough';
};


$t->done;
