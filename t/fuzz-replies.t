use v5.36;

# Whatever a store says, or somebody between it and the gate, requests get an
# answer, the worker goes on, and all is well when the replies are good again.
# CG_SEED=N repeats what is spoiled, CG_FUZZ=N sends more requests.

use lib 't/lib';
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Link;
use ConsentGate::Process qw(spawn);
use ConsentGate::Test;

use constant REQUESTS => $ENV{CG_FUZZ} // 400;

my $seed = $ENV{CG_SEED} // int rand 2**31;
note "CG_SEED=$seed";

sub pick (@list) { return $list[rand @list] }


# Replies that nobody would expect. PORT: of the one in between.
my @REPLIES = (
    "*-1\r\n", "\$-1\r\n", "*0\r\n", "\$0\r\n\r\n", ":0\r\n", ":-1\r\n",
    ":18446744073709551615\r\n", ":9223372036854775807\r\n", "+OK\r\n", "+\r\n",
    "-\r\n", "-ERR\r\n", "-ERR a\tb\x01\x7f\e[31m\n[crit] c\r\n",
    '-' . 'x' x 70_000 . "\r\n", "-NOSCRIPT x\r\n", "-LOADING x\r\n",
    "-READONLY x\r\n", "-NOAUTH x\r\n", "-NOPERM x\r\n", "-TRYAGAIN x\r\n",
    "-CLUSTERDOWN x\r\n", "-MASTERDOWN x\r\n", "-WRONGTYPE x\r\n",
    "-WRONGPASS x\r\n", "-OOM x\r\n", "-MISCONF x\r\n", "-BUSY x\r\n",
    "-MOVED 0 127.0.0.1:PORT\r\n", "-ASK 16383 127.0.0.1:PORT\r\n",
    "-MOVED 1 :PORT\r\n", "-MOVED 2 127.0.0.1:1\r\n", "-ASK 3 nowhere:1\r\n",
    "-MOVED 16384 127.0.0.1:PORT\r\n", "-MOVED -1 x\r\n", "-ASK\r\n",
    "-MOVED 1 [::1]:1\r\n", '-MOVED 1 ' . 'x' x 300 . ":1\r\n",
    "*1\r\n" x 6 . ":1\r\n", "*1\r\n" x 3 . ":1\r\n", "*2000\r\n",
    "*1000\r\n" . "\$1\r\nx\r\n" x 1000, "\$300000\r\n", "*2147483647\r\n",
    "\$2147483647\r\n", "\$99999999999999999999\r\n", "*2\r\n\$7\r\nwritten\r\n",
    "*2\r\n\$7\r\nwritten\r\n:-1\r\n", "*2\r\n\$8\r\nconflict\r\n:4294967296\r\n",
    "*2\r\n\$5\r\nspent\r\n:1\r\n", "*2\r\n+foreign\r\n:1\r\n",
    "*3\r\n\$7\r\nmessage\r\n\$20\r\n__redis__:invalidate\r\n*-1\r\n",
    "*3\r\n\$7\r\nmessage\r\n\$20\r\n__redis__:invalidate\r\n*1\r\n\$4\r\ngc:p\r\n",
    "*2\r\n*2\r\n\$3\r\n1-1\r\n*2\r\n\$1\r\nb\r\n\$2\r\n{}\r\n*-1\r\n",
    "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n\$9\r\n127.0.0.1\r\n:PORT\r\n\$1\r\nx\r\n",
    "*1\r\n*3\r\n:5\r\n:1\r\n*2\r\n\$1\r\n?\r\n:70000\r\n",
    "*1\r\n*4\r\n:0\r\n:16383\r\n*4\r\n\$1\r\n?\r\n:1\r\n\$1\r\nx\r\n*99\r\n",
    "*2\r\n\$9\r\n127.0.0.1\r\n\$5\r\n99999\r\n", "*2\r\n\$1\r\n/\r\n\$1\r\n1\r\n",
    "%1\r\n+a\r\n:1\r\n", "~1\r\n+a\r\n", ">1\r\n+a\r\n", "_\r\n", "#t\r\n",
    ",1.5\r\n", "(1\r\n", "=7\r\ntxt:abc\r\n", "!3\r\nabc\r\n", "|1\r\n+a\r\n+b\r\n",
    "HTTP/1.1 400 Bad Request\r\n\r\n", "\x16\x03\x01\x02\x00", "\0", "\r\n", "\n",
);

sub spoil ($bytes, $port) {
    return '' if rand() < 0.05;

    for (1 .. 1 + rand 3) {
        my $at = int rand(1 + length $bytes);
        my $new = pick('', chr rand 256, pick(@REPLIES), substr($bytes, $at, 40));
        my $len = pick(0, 1, 1, 3, length $bytes);
        $len = length($bytes) - $at if $at + $len > length $bytes;
        substr $bytes, $at, $len, $new =~ s/PORT/$port/gr;
    }

    return $bytes;
}


# Between nginx and Redis: one piece of a reply in a few is spoiled, as long
# as the file is there.
sub between ($listen, $to, $while) {
    local $SIG{PIPE} = 'IGNORE';
    srand $seed;
    my $port = $listen->sockport;
    my ($select, %other, %replies) = IO::Select->new($listen);

    while (1) {
        for my $socket ($select->can_read) {
            if ($socket == $listen) {
                my $client = $listen->accept or next;
                my $redis = IO::Socket::UNIX->new(Peer => $to);
                if (!$redis) { close $client; next }
                @other{$client, $redis} = ($redis, $client);
                $replies{$redis} = 0;
                $select->add($client, $redis);
                next;
            }

            my $other = $other{$socket} or next;
            my $n = sysread $socket, my $bytes, 65_536;

            # the introduction is the first; it is not always left alone
            if ($n && exists $replies{$socket} && -e $while
                && rand() < ($replies{$socket}++ ? 0.15 : 0.03))
            {
                $bytes = spoil($bytes, $port);
            }

            if (!$n || (length $bytes && !syswrite $other, $bytes)) {
                $select->remove($socket, $other);
                delete @other{$socket, $other};
                delete @replies{$socket, $other};
                close $_ for $socket, $other;
            }
        }
    }
}


sub visitor ($t, @headers) {
    return $t->browser(pick(qw(DE US IS)), headers => \@headers);
}

# What visitors do, at random; the statuses.
sub visit ($t, $browser) {
    my $answer = sub ($what, %more) {
        my $page = $browser->get('/policy-update?return=/');
        return $page if $page->status != 200;
        return answer($browser, page => fields($page), what => $what, %more);
    };
    my @ways = (
        sub { $browser->get('/') }, sub { $browser->get('/purpose') },
        sub { $browser->get('/consent/state') },
        sub { $browser->get('/consent/export') },
        sub { $browser->get('/consent/link?t=' . link_token('anna')) },
        sub { $answer->('accept', purpose => 'analytics') },
        sub { $answer->('decline') }, sub { $answer->('withdraw') },
        sub { $answer->('residence', residence => 'FR') },
        sub { $answer->('erase') },
    );

    return pick(@ways, @ways[0 .. 5])->()->status;
}


sub fuzz ($name, $consent, %redis) {
    my $t = ConsentGate::Test->new(name => "fuzz-replies-$name");
    my $port = $t->port('between');
    $redis{config}{'cluster-port'} = $t->port('bus') if %redis;
    my $redis = $t->redis(%redis);
    my $while = $t->dir . '/spoiled';

    # a cluster of one tells that it is where the replies are spoiled
    if (%redis) {
        $redis->cmd('CONFIG', 'SET', 'cluster-announce-port', $port);
        $redis->cmd('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
        wait_for(sub {
            $redis->cmd('CLUSTER', 'INFO') =~ /cluster_state:ok/
        }, 15) or die 'no cluster';
    }

    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $port, Listen => 64, ReuseAddr => 1)
        or die "port $port: $!";
    spawn($t->dir . '/between.log',
        sub { between($listen, $redis->socket, $while) });
    close $listen;

    $t->page('index.html', 'home');
    $t->page('policy-update.html', flow_page);
    my $nginx = $t->nginx(flow_site(
        http => <<'END',
            consent_purpose analytics;
            consent_cache zone=fuzz:1m;
END
        server => <<'END',
            consent_subject $http_x_test_account;
            consent_remember_eea 180d;
            location = /purpose {
                consent_require_purpose analytics;
                try_files /index.html =404;
            }
END
    ) =~ s/%%CONSENT%%/$consent/r);
    my ($worker) = @{ wait_for(sub { my @w = $nginx->children; @w && \@w }) };

    srand $seed;
    $t->write_file('spoiled', '');

    my %status;
    my @known = (visitor($t), visitor($t, 'X-Test-Account' => 'anna'));
    for (1 .. REQUESTS) {
        $status{ visit($t, pick(visitor($t), @known)) }++;
    }
    note join ' ', $name, map { "$_:$status{$_}" } sort keys %status;

    is_deeply [grep { !/^(?:[234]\d\d|503|500)$/ } keys %status], [],
        'each gets an answer';
    is_deeply [$nginx->children], [$worker], 'it is the same worker';

    unlink $while or die "$while: $!";
    $redis->cmd('FLUSHALL');
    my $new = visitor($t, 'X-Test-Account' => 'new');
    ok wait_for(sub {
        $new->get('/consent/state')->status == 200
            && answer($new)->status == 303
            && $redis->hash(key_of(account => 'new')->{record})->{'d.terms'}
    }, 30), 'and all is well with good replies';
    $t->done;

    return;
}


# Redis itself is asked for as %%CONSENT%% does it, but for where it is.
my $store = sub ($more) {
    return <<"END";
    consent_store {
        server           127.0.0.1:%%PORT_between%%;
        username         gate;
        password_file    %%PASSWORD%%;
        connect_timeout  200ms;
        timeout          50ms;
        write_timeout    200ms;
        $more
    }
    consent_key_file %%KEYS%%;
    consent_geoip %%GEO%%;
    consent_document terms   kind=accept      version=1;
    consent_document privacy kind=acknowledge version=1;
    consent_page /policy-update;
END
};

subtest 'one server' => sub { fuzz('single', $store->('')) };

subtest 'a cluster' => sub {
    fuzz('cluster', $store->('topology cluster;'),
        rules => ['cluster'], config => { 'cluster-enabled' => 'yes',
            'cluster-announce-ip' => '127.0.0.1', port => 0 });
};

done_testing;
